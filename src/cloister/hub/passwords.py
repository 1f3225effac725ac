"""Passwords: what one must be, hashing it with argon2id, and comparing it.

Hashing takes tens of milliseconds and 64 MiB on purpose, so it has threads of its own, and few.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.errors import BadRequestError
from cloister.hub.problems import busy
from cloister.hub.schema import ACCOUNT, PasswordRow, PrincipalRow

LEAST, MOST = 12, 1024
"""Characters of a password."""
_THREADS = 2
_WAITING = 32
"""Passwords that may wait for a thread."""

_HASHER = PasswordHasher()
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
    return _HASHER.hash(password)


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


class Passwords:
    """Hashes and compares, a few at a time. `close` it when the hub stops."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub-passwords")
        self._under_way = 0
        # Compared with where there is no account, so that this takes as long as where there is one.
        salt, tag = (
            base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
            for size in (_HASHER.salt_len, _HASHER.hash_len)
        )
        self._nobodys = (
            f"$argon2id$v=19$m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}${salt}${tag}"
        )

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def fits(self, kept: Kept | None, password: str) -> bool:
        """Whether it is the password that is kept; never, where none is. A 429 `Problem` where many wait."""
        self._take()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._compare, kept, password)
        finally:
            self._under_way -= 1

    async def hash(self, password: str) -> str:
        """`hashed`, on a thread. A 429 `Problem` where many wait."""
        self._take()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, hashed, password)
        finally:
            self._under_way -= 1

    def is_dated(self, kept: Kept) -> bool:
        """Whether it was hashed with other parameters than those of today."""
        return _HASHER.check_needs_rehash(kept.hash)

    def _take(self) -> None:
        if self._under_way >= _THREADS + _WAITING:
            raise busy("Many are signing in now. Try again in 2 seconds.", retry_seconds=2)
        self._under_way += 1

    def _compare(self, kept: Kept | None, password: str) -> bool:
        given = unicodedata.normalize("NFC", password)
        try:
            return _HASHER.verify(self._nobodys if kept is None else kept.hash, given) and kept is not None
        except (VerificationError, InvalidHashError, UnicodeError):
            return False
