"""Passwords: what one must be, and what is kept of it: a hash by argon2id.

Hashing takes tens of milliseconds and 64 MiB on purpose: a hub does it by `cloister.hub.hashing`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.errors import BadRequestError
from cloister.hub.schema import ACCOUNT, PasswordRow, PrincipalRow

LEAST, MOST = 12, 1024
"""Characters of a password."""

HASHER = PasswordHasher()
"""argon2id with the library's parameters: RFC 9106's second recommendation."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an account's password."""

    principal_id: str
    hash: str = field(repr=False)


def checked(password: str, email: str) -> str:
    """The password in the one form that is hashed (RFC 8265: NFC).

    Raises `BadRequestError` for one that is too short, too long, or as good as known.
    """
    normal = unicodedata.normalize("NFC", password)
    if len(normal) < LEAST:
        raise BadRequestError(f"The password is too short. Choose one of {LEAST} characters or more: some words, say.")
    if len(normal) > MOST:
        raise BadRequestError(f"The password is longer than {MOST} characters. Choose a shorter one.")
    if normal.casefold() in (email, email.partition("@")[0]) or len(set(normal)) < 4:
        raise BadRequestError("That password is easily guessed. Choose another one.")
    return normal


def hashed(password: str) -> str:
    """What may be kept of a password that was `checked`."""
    return HASHER.hash(password)


def find(db: Session, email: str) -> Kept | None:
    """What is kept for this account; ``None`` where there is none, it has no password, or it is disabled."""
    query = (
        select(PasswordRow.principal_id, PasswordRow.hash)
        .join(PrincipalRow, PrincipalRow.id == PasswordRow.principal_id)
        .where(PrincipalRow.kind == ACCOUNT, PrincipalRow.name == email, PrincipalRow.disabled_at.is_(None))
    )
    row = db.execute(query).one_or_none()
    return None if row is None else Kept(*row)


def keep(db: Session, principal_id: str, hash_: str, now: datetime) -> None:
    """From now on this is the account's password."""
    row = db.get(PasswordRow, principal_id)
    if row is None:
        db.add(PasswordRow(principal_id=principal_id, hash=hash_, changed_at=now))
    else:
        row.hash, row.changed_at = hash_, now
