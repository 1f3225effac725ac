"""What the hub's database knows of signing in at the provider: who is on the way, and who has been there."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloister.hub import tokens
from cloister.hub.provider import Person
from cloister.hub.schema import ACCOUNT, FlowRow, PrincipalRow, SubjectRow

LIFETIME = timedelta(minutes=10)
"""How long somebody may take at the provider."""


@dataclass(frozen=True, slots=True)
class Found:
    """Whose account it is."""

    principal_id: str


Refusal = Literal["unknown", "elsewhere"]
"""There is no account for them; or it is somebody else's there, or of another email."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What one attempt is known by: the provider gets state, nonce and (hashed) verifier, the browser the secret."""

    state: str
    nonce: str
    verifier: str = field(repr=False)


def start(db: Session, now: datetime) -> tuple[str, Flow]:
    """A secret for the browser, and the flow that goes with it. Those that are over are forgotten."""
    db.execute(delete(FlowRow).where(FlowRow.expires_at <= now))
    secret = tokens.new_secret()
    flow = Flow(_random(), _random(), _random())
    db.add(
        FlowRow(
            sha256=tokens.digest(secret),
            state=flow.state,
            nonce=flow.nonce,
            verifier=flow.verifier,
            expires_at=now + LIFETIME,
        )
    )
    return secret, flow


def finish(db: Session, secret: str, now: datetime) -> Flow | None:
    """The flow of this browser, which ends it: nobody comes back twice. ``None`` where there is none."""
    row = db.get(FlowRow, tokens.digest(secret))
    if row is None:
        return None
    db.delete(row)
    return Flow(row.state, row.nonce, row.verifier) if row.expires_at > now else None


def account(db: Session, issuer: str, person: Person, email: str, now: datetime, *, make: bool) -> Found | Refusal:
    """The account of whoever was recognised.

    An account belongs to the first subject that has come with its email, and to that subject alone: providers give the
    email of somebody who has left to somebody new.

    Args:
        email: the person's, in the spelling of accounts.
        make: whether who has no account gets one.
    """
    linked = db.scalars(select(SubjectRow).filter_by(issuer=issuer, subject=person.subject)).one_or_none()
    query = select(PrincipalRow).where(PrincipalRow.kind == ACCOUNT, PrincipalRow.name == email)
    row = db.scalars(query).one_or_none()
    if linked is not None and (row is None or row.id != linked.principal_id):
        return "elsewhere"
    if row is None:
        if not make:
            return "unknown"
        row = PrincipalRow(id=tokens.new_id(), kind=ACCOUNT, name=email, created_at=now, stored_bytes=0)
        db.add(row)
        db.flush()
    if row.disabled_at is not None:
        return "unknown"
    if linked is None:
        if db.get(SubjectRow, row.id) is not None:
            return "elsewhere"
        db.add(SubjectRow(principal_id=row.id, issuer=issuer, subject=person.subject, created_at=now))
    return Found(row.id)


def _random() -> str:
    # Without padding: a code verifier (RFC 7636) may hold no "=".
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode("ascii")
