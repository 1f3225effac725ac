"""Ends what is still open when its token was revoked, its session has ended or its account was disabled.

Each request is refused where its token doesn't work (see `access`), but an answer may stay open for hours. Whoever
revokes a token is another process, or another hub, so the database is asked now and then, while anything is open.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from cloister.hub import sessions, tokens
from cloister.hub.database import Database
from cloister.hub.tokens import Principal

_USED = timedelta(minutes=1)

logger = logging.getLogger("cloister.hub")


class Revocations:
    """The open requests of one hub, by the tokens or sessions that they were made with."""

    def __init__(self, database: Database, seconds: float) -> None:
        """``seconds``: how often to look."""
        self._database = database
        self._seconds = seconds
        self._used = datetime.min.replace(tzinfo=UTC)
        self._open: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def watch(self, principal: Principal) -> Iterator[asyncio.Event]:
        """An event that is set when the principal's token or session has ended; inside the block."""
        ended = asyncio.Event()
        self._open[principal.token_id].add(ended)
        try:
            yield ended
        finally:
            self._open[principal.token_id].discard(ended)
            if not self._open[principal.token_id]:
                del self._open[principal.token_id]

    async def keep_up(self, closing: asyncio.Event) -> None:
        """Looks over and over, until ``closing``."""
        while not closing.is_set():
            try:
                await self._look()
            except Exception as error:
                # The next round may do better; requests are served meanwhile.
                logger.warning("could not look for revoked tokens: %s", type(error).__name__)
            try:
                async with asyncio.timeout(self._seconds):
                    await closing.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        watched = list(self._open)
        if not watched:
            return
        now = datetime.now(UTC)

        def work(db: Session) -> tuple[set[str], set[str]]:
            return tokens.working(db, watched), sessions.working(db, watched, now)

        shown, signed_in = await self._database.reading(work)
        working = shown | signed_in
        for token_id in set(watched) - working:
            for ended in self._open.get(token_id, ()):
                ended.set()
        if signed_in and now - self._used > _USED:
            # Whoever waits for an answer is there.
            self._used = now
            await self._database.writing(lambda db: sessions.use(db, signed_in, now))
