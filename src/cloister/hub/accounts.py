"""Who exists: users (by email) and workers (by name), as the command line makes them.

All of this works on the data folder directly, whether or not a hub is running on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloister.errors import BadRequestError, NotFoundError
from cloister.formats.encoding import normal_email
from cloister.hub import links, passwords, sessions, tokens
from cloister.hub.database import open_database
from cloister.hub.schema import ACCOUNT, WORKER, LinkRow, PasswordRow, PrincipalRow, SubjectRow, TokenRow
from cloister.hub.settings import HubSettings

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})*")
_WORKER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


@dataclass(frozen=True)
class Entry:
    """A user or a worker, as an operator sees it."""

    name: str
    """Email, or the worker's name."""
    tokens: int
    """How many of its API tokens work."""
    stored_bytes: int
    created_at: datetime
    disabled_at: datetime | None
    removed_at: datetime | None


def checked_email(text: str) -> str:
    """The one spelling under which an account's email is stored and compared: see `formats.encoding`.

    Only ASCII is taken: letters that look like others would let one participant pass for another. An
    internationalised domain is written in its ``xn--`` form.

    Raises `BadRequestError` for what can't be an address (RFC 5321 dot-string@domain, at most 254 octets).
    """
    email = normal_email(text)
    match = _EMAIL.fullmatch(email)
    if not text.isascii() or match is None or len(email) > 254 or len(match["local"]) > 64:
        raise BadRequestError("That is not an email address. Write it like name@example.com.")
    return email


def add_user(settings: HubSettings, email: str, description: str = "") -> str:
    """A fresh API token for this email's account, which is made if it isn't there.

    Raises `BadRequestError` for an email that can't be one, and for an account that was disabled or removed.
    """
    return _add(settings, ACCOUNT, checked_email(email), description or "made on the hub's machine")


def add_worker(settings: HubSettings, name: str) -> str:
    """A fresh API token for the worker of this name, which is made if it isn't there.

    Raises `BadRequestError` unless the name is up to 64 of ``a-z 0-9 . _ -``, ends being alphanumeric.
    """
    if _WORKER_NAME.fullmatch(name) is None:
        raise BadRequestError("A worker's name is up to 64 of the characters a-z, 0-9, '.', '_' and '-'.")
    return _add(settings, WORKER, name, "worker")


def set_password(settings: HubSettings, email: str, password: str) -> None:
    """Give this email's account a password, which ends its sessions. The account is made if it isn't there.

    Raises `BadRequestError` for an email or a password that can't be one, and for an account that was disabled.
    """
    name = checked_email(email)
    hashed = passwords.hashed(passwords.checked(password, name))
    now = datetime.now(UTC)

    def work(session: Session) -> None:
        principal_id = _made(session, ACCOUNT, name, now).id
        passwords.keep(session, principal_id, hashed, now)
        sessions.end_all(session, principal_id)

    with open_database(settings) as database:
        database.write(work)


def invite_user(settings: HubSettings, email: str) -> str:
    """A link that sets the password of this email's account, once, and signs in. The account is made if it isn't there.

    It begins with `HubSettings.public_url`, or with a slash where there is none. Raises `BadRequestError` as
    `add_user`.
    """
    name = checked_email(email)
    now = datetime.now(UTC)
    expires_at = now + timedelta(hours=settings.invitation_hours)
    with open_database(settings) as database:
        secret = database.write(lambda db: links.issue(db, _made(db, ACCOUNT, name, now).id, expires_at))
    # Behind the hash: browsers send it to nobody, and no log has it.
    return f"{(settings.public_url or '').rstrip('/')}/invitation#{urlencode({'token': secret, 'email': name})}"


def unlink_user(settings: HubSettings, email: str) -> None:
    """Forget whom the provider calls by this email: whoever comes with it next is taken for the account's user.

    Their sessions end. Raises `NotFoundError` if there is no such account.
    """

    def work(session: Session, row: PrincipalRow, _now: datetime) -> None:
        session.execute(delete(SubjectRow).where(SubjectRow.principal_id == row.id))
        sessions.end_all(session, row.id)

    _change(settings, checked_email(email), work)


def revoke_user_tokens(settings: HubSettings, email: str) -> int:
    """End all API tokens and sessions of this email's account at once; how many tokens there were.

    Raises `NotFoundError` if there is no such account, `BadRequestError` if that is no email.
    """
    return _revoke_all(settings, ACCOUNT, checked_email(email))


def revoke_worker_tokens(settings: HubSettings, name: str) -> int:
    """End all API tokens of this worker at once; how many there were. `NotFoundError` if there is none."""
    return _revoke_all(settings, WORKER, name)


def users(settings: HubSettings) -> list[Entry]:
    """All users, by email."""
    return _entries(settings, ACCOUNT)


def workers(settings: HubSettings) -> list[Entry]:
    """All workers, by name."""
    return _entries(settings, WORKER)


def disable_user(settings: HubSettings, email: str) -> None:
    """The account can do nothing from now on; what it has stored, and its tokens, stay for `enable_user`.

    Raises `NotFoundError` if there is no such account.
    """

    def work(_session: Session, row: PrincipalRow, now: datetime) -> None:
        row.disabled_at = row.disabled_at or now

    _change(settings, checked_email(email), work)


def enable_user(settings: HubSettings, email: str) -> None:
    """Takes back `disable_user` and, as far as it was not carried out yet, `remove_user`. `NotFoundError` as there."""

    def work(_session: Session, row: PrincipalRow, _now: datetime) -> None:
        row.disabled_at = row.removed_at = None

    _change(settings, checked_email(email), work)


def remove_user(settings: HubSettings, email: str) -> None:
    """As `disable_user`, and for good: its tokens, sessions and password end, and its blobs go once the hub's time of
    grace has passed.

    Raises `NotFoundError` if there is no such account.
    """

    def work(session: Session, row: PrincipalRow, now: datetime) -> None:
        row.disabled_at, row.removed_at = row.disabled_at or now, row.removed_at or now
        tokens.revoke_all(session, row.id, now)
        sessions.end_all(session, row.id)
        for kind in (PasswordRow, LinkRow, SubjectRow):
            session.execute(delete(kind).where(kind.principal_id == row.id))

    _change(settings, checked_email(email), work)


def _change(settings: HubSettings, email: str, work: Callable[[Session, PrincipalRow, datetime], None]) -> None:
    now = datetime.now(UTC)

    def change(session: Session) -> None:
        row = _find(session, ACCOUNT, email)
        if row is None:
            raise NotFoundError(f"There is no account {email!r} in {settings.data}.")
        work(session, row, now)

    with open_database(settings) as database:
        database.write(change)


def _entries(settings: HubSettings, kind: str) -> list[Entry]:
    count = select(func.count()).where(TokenRow.principal_id == PrincipalRow.id, TokenRow.revoked_at.is_(None))
    query = select(PrincipalRow, count.scalar_subquery()).where(PrincipalRow.kind == kind).order_by(PrincipalRow.name)
    with open_database(settings) as database:
        rows = database.read(lambda session: session.execute(query).all())
    return [
        Entry(row.name, there, row.stored_bytes, row.created_at, row.disabled_at, row.removed_at) for row, there in rows
    ]


def _find(session: Session, kind: str, name: str) -> PrincipalRow | None:
    query = select(PrincipalRow).where(PrincipalRow.kind == kind, PrincipalRow.name == name)
    return session.scalars(query).one_or_none()


def _add(settings: HubSettings, kind: str, name: str, description: str) -> str:
    now = datetime.now(UTC)

    with open_database(settings) as database:
        return database.write(lambda db: tokens.issue(db, _made(db, kind, name, now).id, description, now).secret)


def _made(session: Session, kind: str, name: str, now: datetime) -> PrincipalRow:
    row = _find(session, kind, name)
    if row is None:
        row = PrincipalRow(id=tokens.new_id(), kind=kind, name=name, created_at=now, stored_bytes=0)
        session.add(row)
        session.flush()
    if row.disabled_at is not None:
        raise BadRequestError(
            f"The account {name!r} was {'removed' if row.removed_at else 'disabled'}. Bring it back first: "
            "cloister user enable EMAIL --data DIR"
        )
    return row


def _revoke_all(settings: HubSettings, kind: str, name: str) -> int:
    now = datetime.now(UTC)

    def work(session: Session) -> int:
        row = _find(session, kind, name)
        if row is None:
            raise NotFoundError(f"There is no {kind} {name!r} in {settings.data}.")
        sessions.end_all(session, row.id)
        return tokens.revoke_all(session, row.id, now)

    with open_database(settings) as database:
        return database.write(work)
