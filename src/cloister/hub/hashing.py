"""Hashing and comparing passwords while the hub serves.

It takes tens of milliseconds and 64 MiB on purpose, so it has threads of its own, and few.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2.exceptions import InvalidHashError, VerificationError

from cloister.hub.passwords import HASHER, Kept, hashed
from cloister.hub.problems import busy

_THREADS = 2
_WAITING = 32
"""Passwords that may wait for a thread."""


class Passwords:
    """Hashes and compares, a few at a time. `close` it when the hub stops."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub-passwords")
        self._under_way = 0
        # Compared with where there is no account, so that this takes as long as where there is one.
        salt, tag = (
            base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
            for size in (HASHER.salt_len, HASHER.hash_len)
        )
        self._nobodys = (
            f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}${salt}${tag}"
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
        return HASHER.check_needs_rehash(kept.hash)

    def _take(self) -> None:
        if self._under_way >= _THREADS + _WAITING:
            raise busy("Many are signing in now. Try again in 2 seconds.", retry_seconds=2)
        self._under_way += 1

    def _compare(self, kept: Kept | None, password: str) -> bool:
        given = unicodedata.normalize("NFC", password)
        try:
            return HASHER.verify(self._nobodys if kept is None else kept.hash, given) and kept is not None
        except (VerificationError, InvalidHashError, UnicodeError):
            return False
