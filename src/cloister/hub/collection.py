"""Blobs that are of no use any more: marked when the enclave has no key to them, deleted once that was so for days.

The hub doesn't know what refers to a blob; the enclave does. Where it is away, errs, or says anything but which of them
it needs, all stay. An enclave that was started on the wrong store, or on an old copy, has no key to anything: the days
between are there to notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import msgspec

from cloister.errors import VerificationError
from cloister.formats.encoding import decode
from cloister.hub import shelf
from cloister.hub.blobs import prefix, throw_away_abandoned
from cloister.hub.problems import unavailable
from cloister.hub.services import Services
from cloister.protocol import MAX_BLOBS, Blobs, Held

_ANSWER_SECONDS = 30
_ANSWER_BYTES = 100 * MAX_BLOBS
_ROUND_SECONDS = 3600.0

logger = logging.getLogger("cloister.hub")


async def keep_tidy(hub: Services) -> None:
    """Throw away abandoned uploads, and blobs that are of no use any more, now and once an hour, until cancelled."""
    while not hub.closing.is_set():
        for throw_away, what in ((throw_away_abandoned, "abandoned uploads"), (collect, "blobs without a use")):
            try:
                count = await throw_away(hub, datetime.now(UTC))
            except Exception as error:
                # The next round may do better; requests are served meanwhile.
                logger.warning("could not throw away %s: %s", what, type(error).__name__)
            else:
                if count:
                    logger.info("threw away %d %s", count, what)
        try:
            async with asyncio.timeout(_ROUND_SECONDS):
                await hub.closing.wait()
        except TimeoutError:
            continue


async def collect(hub: Services, now: datetime, *, at_once: int = MAX_BLOBS) -> int:
    """Marks and unmarks all complete blobs, and deletes those whose time has come; how many they were.

    Args:
        at_once: how many the enclave is asked about in one request.

    Raises:
        Problem: the enclave doesn't say. What was not asked about stays as it is.
    """
    if hub.settings.enclave_url is None:
        return 0
    before = now - timedelta(days=hub.settings.unreferred_days)
    count, after = 0, ""
    while blobs := await hub.database.reading(lambda db, after=after: shelf.complete_after(db, after, at_once)):  # type: ignore[misc]
        held = await _held(hub, blobs)
        folders = await hub.database.writing(
            lambda db, blobs=blobs, held=held: shelf.settle(db, blobs, held, now, before)  # type: ignore[misc]
        )
        for folder in folders:
            await hub.objects.delete_folder(prefix(folder))
        count += len(folders)
        after = blobs[-1]
    return count


async def _held(hub: Services, blobs: Sequence[str]) -> frozenset[str]:
    """Those that the enclave has the key to."""
    body = msgspec.json.encode(Blobs(blobs=tuple(blobs)))

    async def content() -> AsyncIterator[bytes]:
        yield body

    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = await hub.upstream.send(hub.upstream.request("POST", "/held", content=content()))
            try:
                said = b"".join([piece async for piece in _limited(answer.aiter_raw())])
            finally:
                await answer.aclose()
        if answer.status_code != HTTPStatus.OK:
            raise VerificationError("That is no answer.")
        held = frozenset(decode(said, Held, what="a list of blobs").held)
    except (TimeoutError, VerificationError):
        raise unavailable("The enclave does not say which blobs it needs.") from None
    if not held.issubset(blobs):
        raise unavailable("The enclave speaks of other blobs than it was asked about.")
    return held


async def _limited(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > _ANSWER_BYTES:
            raise VerificationError("The answer is too long.")
        yield piece
