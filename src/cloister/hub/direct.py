"""Parts between a client and the blob store directly, by signed URL: the hub gives permission, and records.

Where the store can't, the place of a part is null, and the part passes through the hub (`cloister.hub.blobs`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError
from fastapi import APIRouter
from obstore.exceptions import BaseError
from pydantic import BaseModel, Field

from cloister.hub import placing, shelf
from cloister.hub.access import AnyPrincipal
from cloister.hub.blobs import BlobId, Index, PartInfo, prefix
from cloister.hub.problems import bad_request, responses, too_large
from cloister.hub.services import Hub, Services
from cloister.hub.shelf import Part

router = APIRouter(prefix="/v1/blobs", tags=["blobs"], responses=responses(400, 401, 403, 404, 429, 503))

_AT_ONCE = 100
_ROUND_SECONDS = 300.0

logger = logging.getLogger("cloister.hub")


class PlaceRequest(BaseModel, extra="forbid"):
    """What will be sent."""

    size: int = Field(ge=1, description="In bytes.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of its bytes, in hex.")


class UploadPlace(BaseModel):
    """Where to send a part."""

    there: bool = Field(description="The very same part is there already: nothing is to be sent.")
    url: str | None = Field(description="Send it there by PUT; null: send it to the hub.")
    headers: dict[str, str] = Field(description="To be sent with it.")
    ticket: str | None = Field(description="To be shown once it was sent.")


class Ticket(BaseModel, extra="forbid"):
    """What the hub gave along with the place."""

    ticket: str = Field(pattern="^[0-9a-f]{32}$")


class DownloadPlace(BaseModel):
    """Where to fetch a part."""

    url: str | None = Field(description="Fetch it there by GET; null: fetch it from the hub.")


@router.post(
    "/{blob_id}/parts/{index}/place",
    summary="Where to send one part",
    responses=responses(408, 409, 413, 507),
)
async def place_part(
    blob_id: BlobId, index: Index, body: PlaceRequest, principal: AnyPrincipal, hub: Hub
) -> UploadPlace:
    """Permission to send these very bytes to the blob store, for as long as the settings say. They count as kept from
    now on, and exist once the hub was shown the ticket."""
    if body.size > hub.settings.part_bytes:
        raise too_large(f"A part has at most {hub.settings.part_bytes} bytes. Send it in smaller ones.")
    signer = hub.objects.presigner if hub.settings.direct_transfers else None
    now = datetime.now(UTC)
    if signer is None or not await signer.able():
        return UploadPlace(there=False, url=None, headers={}, ticket=None)
    most_blobs = hub.settings.blobs_per_account
    claim = await hub.database.writing(
        lambda db: shelf.claim(db, principal, blob_id, index, now, most_blobs=most_blobs)
    )
    if claim.part is not None and claim.part.sha256 == body.sha256:
        return UploadPlace(there=True, url=None, headers={}, ticket=None)
    if claim.complete:
        raise shelf.immutable()
    ticket, seconds = secrets.token_hex(16), hub.settings.direct_seconds
    part = Part(index, body.size, body.sha256, f"{prefix(claim.folder)}/{index}-{secrets.token_hex(8)}")
    try:
        place = await signer.put(part.key, part.size, part.sha256, seconds)
    except (BaseError, BotoCoreError, ValueError, OSError):
        return UploadPlace(there=False, url=None, headers={}, ticket=None)
    await hub.database.writing(
        lambda db: placing.permit(
            db,
            principal,
            blob_id,
            claim.folder,
            part,
            now + timedelta(seconds=seconds),
            ticket,
            quota_bytes=hub.settings.stored_bytes,
        )
    )
    return UploadPlace(there=False, url=place.url, headers=place.headers, ticket=ticket)


@router.post("/{blob_id}/parts/{index}/placed", summary="One part was sent", responses=responses(408, 409, 413, 507))
async def placed_part(blob_id: BlobId, index: Index, body: Ticket, principal: AnyPrincipal, hub: Hub) -> PartInfo:
    """The part exists when this has answered. Doing it again does no harm."""
    part = await hub.database.reading(lambda db: placing.permitted(db, principal, blob_id, index, body.ticket))
    size = await hub.objects.size(part.key)
    if size is None:
        raise bad_request("The part has not arrived in the blob store. Send it, or ask for its place again.")
    if size != part.size:
        await hub.objects.delete(part.key)
        raise bad_request("What has arrived in the blob store is not as long as was declared. Send the part again.")
    recorded = await hub.database.writing(lambda db: placing.settle(db, principal, body.ticket, datetime.now(UTC)))
    if recorded.stray is not None:
        await hub.objects.delete(recorded.stray)
    return PartInfo(index=part.index, size=part.size, sha256=part.sha256)


@router.get("/{blob_id}/parts/{index}/place", summary="Where to fetch one part")
async def find_part(blob_id: BlobId, index: Index, principal: AnyPrincipal, hub: Hub) -> DownloadPlace:
    """A URL that is good for as long as the settings say. Compare what comes with the manifest: the store may lie."""
    with hub.transfers.hold(principal.id):
        part = await hub.database.reading(lambda db: shelf.fetchable(db, blob_id, index))
    signer = hub.objects.presigner if hub.settings.direct_transfers else None
    url = None if signer is None else await signer.get_url(part.key, hub.settings.direct_seconds)
    return DownloadPlace(url=url)


async def end_permits(hub: Services, now: datetime) -> None:
    """Forget permits whose URLs have expired, and delete what was sent by them and never recorded."""
    count = _AT_ONCE
    while count == _AT_ONCE:
        count, strays = await hub.database.writing(lambda db: placing.expired(db, now, _AT_ONCE))
        for key in strays:
            await hub.objects.delete(key)


async def keep_ending_permits(hub: Services) -> None:
    """`end_permits` now and every few minutes, until the hub closes."""
    while not hub.closing.is_set():
        try:
            await end_permits(hub, datetime.now(UTC))
        except Exception as error:
            # The next round may do better; requests are served meanwhile.
            logger.warning("could not end permits of direct uploads: %s", type(error).__name__)
        try:
            async with asyncio.timeout(_ROUND_SECONDS):
                await hub.closing.wait()
        except TimeoutError:
            continue
