"""What becomes of removed accounts: once their time of grace has passed, their blobs go, and they themselves.

An account that has entered rooms stays, empty and disabled, for as long as the directory has these rooms. They are
listed for nobody any more, but the hub has to know since when they are there, and whom they invite: by that it tells
which of its keys they have pinned (`cloister.hub.identity`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.hub import shelf
from cloister.hub.blobs import prefix
from cloister.hub.schema import PrincipalRow, RoomRow
from cloister.hub.services import Services

_ROUND_SECONDS = 3600.0

logger = logging.getLogger("cloister.hub")


async def keep_removing(hub: Services) -> None:
    """`throw_away_removed` now and once an hour, until the hub closes."""
    while not hub.closing.is_set():
        try:
            count = await throw_away_removed(hub, datetime.now(UTC))
        except Exception as error:
            # The next round may do better; requests are served meanwhile.
            logger.warning("could not throw away blobs of removed accounts: %s", type(error).__name__)
        else:
            if count:
                logger.info("threw away %d blobs of removed accounts", count)
        try:
            async with asyncio.timeout(_ROUND_SECONDS):
                await hub.closing.wait()
        except TimeoutError:
            continue


async def throw_away_removed(hub: Services, now: datetime) -> int:
    """Deletes what accounts have stored whose grace has passed, then the accounts; how many blobs there were."""
    before = now - timedelta(days=hub.settings.removed_days)
    count = 0
    while folders := await hub.database.writing(lambda session: shelf.remove_of_removed(session, before)):
        count += len(folders)
        for folder in folders:
            await hub.objects.delete_folder(prefix(folder))
    await hub.database.writing(lambda session: _remove_accounts(session, before))
    return count


def _remove_accounts(session: Session, before: datetime) -> None:
    owns_rooms = select(RoomRow.id).where(RoomRow.owner_id == PrincipalRow.id).exists()
    for row in session.scalars(select(PrincipalRow).where(PrincipalRow.removed_at < before, ~owns_rooms)).all():
        session.delete(row)
