"""Blobs over HTTP: parts of ciphertext, uploaded in any order, several at once, resumable."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.types import Receive, Scope, Send

from cloister.hub import shelf
from cloister.hub.access import AnyPrincipal
from cloister.hub.digests import header_of, sha256_of
from cloister.hub.limits import Slots, allow_body, body_pieces, send_in_time
from cloister.hub.objects import Objects, Writer
from cloister.hub.problems import Problem, bad_request, responses
from cloister.hub.services import Hub, Services
from cloister.hub.settings import MIB
from cloister.hub.shelf import Part, Recorded
from cloister.hub.tokens import Principal

MAX_INDEX = 2**20
_PIECE = 1 * MIB
_PAGE = 5_000
_NOTHING = hashlib.sha256().hexdigest()

logger = logging.getLogger("cloister.hub")
router = APIRouter(prefix="/v1/blobs", tags=["blobs"], responses=responses(400, 401, 403, 404, 503))

BlobId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{64}$",
        description="32 random bytes in hex, chosen by the uploader. Knowing it is the permission to read.",
    ),
]
Index = Annotated[int, Path(ge=0, le=MAX_INDEX, description="The part's place in the blob, from 0.")]

Closing = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_INDEX + 1,
        description="Closes the blob with this part, which is the last that was missing of so many. If it isn't, "
        "the part is not taken either.",
    ),
]


class PartInfo(BaseModel):
    """A part that has arrived whole."""

    index: int
    size: int = Field(description="In bytes.")
    sha256: str = Field(description="Of its bytes, in hex.")


class BlobInfo(BaseModel):
    """What is there of a blob."""

    id: str
    complete: bool
    parts: list[PartInfo]


class CompleteRequest(BaseModel, extra="forbid"):
    """Closes a blob."""

    parts: int = Field(ge=1, le=MAX_INDEX + 1, description="How many there are; all must have arrived.")


class CompleteAnswer(BaseModel):
    """The blob is closed."""

    id: str
    complete: bool


_PART_BODY: dict[str, Any] = {
    # Required, and yet read as if it were not: the operation says better what is missing.
    "parameters": [
        {
            "in": "header",
            "name": "Content-Digest",
            "required": True,
            "description": "`sha-256=:BASE64:` of the body (RFC 9530).",
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}
_PART_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The part's bytes.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.put(
    "/{blob_id}/parts/{index}",
    summary="Upload one part",
    status_code=HTTPStatus.CREATED,
    response_model=PartInfo,
    responses=responses(408, 409, 413, 429, 507) | {200: {"model": PartInfo, "description": "The same part was there"}},
    openapi_extra=_PART_BODY,
)
async def put_part(
    blob_id: BlobId,
    index: Index,
    request: Request,
    principal: AnyPrincipal,
    hub: Hub,
    parts: Closing = None,
    content_digest: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """The part exists, on disk, when this has answered 201 or 200, and not in part before. Until the blob is
    complete, sending other bytes replaces it. Whoever sends a blob's first part is its uploader."""
    sha256 = sha256_of(content_digest)
    if sha256 == _NOTHING:
        raise bad_request("A part has one byte at least. Send ciphertext: that of nothing is not empty.")
    allow_body(request.scope, hub.settings.part_bytes)
    with hub.transfers.hold(principal.id):
        now, most_blobs = datetime.now(UTC), hub.settings.blobs_per_account
        claim = await hub.database.writing(
            lambda db: shelf.claim(db, principal, blob_id, index, now, most_blobs=most_blobs)
        )
        if claim.part is not None and claim.part.sha256 == sha256:
            await _receive(request.receive, sha256, None)
            if parts is not None:
                await _close(hub, principal, blob_id, parts)
            return _part_answer(HTTPStatus.OK, claim.part)
        if claim.complete:
            raise shelf.immutable()
        key = f"{prefix(claim.folder)}/{index}-{secrets.token_hex(8)}"
        async with hub.objects.writing(key) as writer:
            size = await _receive(request.receive, sha256, writer)
        part, quota_bytes = Part(index, size, sha256, key), hub.settings.stored_bytes

        def record(db: Session) -> tuple[Recorded, frozenset[str]]:
            recorded = shelf.record(
                db, principal, blob_id, claim.folder, part, datetime.now(UTC), quota_bytes=quota_bytes
            )
            if parts is None:
                return recorded, frozenset()
            shelf.complete(db, principal, blob_id, parts)
            return recorded, shelf.all_keys(db, blob_id)

        try:
            recorded, wanted = await hub.database.writing(record)
        except Problem:
            await hub.objects.delete(key)
            raise
        if wanted:
            await hub.objects.tidy_folder(prefix(claim.folder), wanted)
        elif recorded.stray is not None:
            await hub.objects.delete(recorded.stray)
        return _part_answer(HTTPStatus.CREATED if recorded.new else HTTPStatus.OK, part)


@router.get("/{blob_id}", summary="What has arrived of a blob?", response_model=BlobInfo)
async def get_blob(blob_id: BlobId, principal: AnyPrincipal, hub: Hub) -> Response:
    """What an interrupted upload asks before it goes on. Until the blob is complete, only its uploader gets an
    answer; others get 404."""
    complete = await hub.database.reading(lambda db: shelf.is_complete(db, principal, blob_id))
    return StreamingResponse(_listing(hub, blob_id, complete), media_type="application/json")


@router.post("/{blob_id}/complete", summary="Close a blob", responses=responses(408, 409, 413, 507))
async def complete_blob(blob_id: BlobId, body: CompleteRequest, principal: AnyPrincipal, hub: Hub) -> CompleteAnswer:
    """From now on the blob can be read by whoever names it, and nothing in it changes. Doing it again does
    no harm."""
    await _close(hub, principal, blob_id, body.parts)
    return CompleteAnswer(id=blob_id, complete=True)


@router.get(
    "/{blob_id}/parts/{index}",
    summary="Fetch one part",
    response_class=Response,
    responses=responses(429) | _PART_ANSWER,
)
async def get_part(blob_id: BlobId, index: Index, principal: AnyPrincipal, hub: Hub) -> Response:
    """The bytes as they were uploaded, with their `Content-Digest`."""
    part = await hub.database.reading(lambda db: shelf.fetchable(db, blob_id, index))
    return _PartResponse(hub.objects, part, hub.transfers, principal.id, hub.settings.idle_seconds)


@router.delete("/{blob_id}", summary="Delete a blob", status_code=HTTPStatus.NO_CONTENT, responses=responses(507))
async def delete_blob(blob_id: BlobId, principal: AnyPrincipal, hub: Hub) -> None:
    """Its uploader may do so at any time, whether or not it is complete."""
    folder = await hub.database.writing(lambda db: shelf.remove(db, principal, blob_id))
    await hub.objects.delete_folder(prefix(folder))


async def throw_away_abandoned(hub: Services, now: datetime) -> int:
    """Delete unfinished uploads that got no part for the days that the settings say; how many they were."""
    before = now - timedelta(days=hub.settings.abandoned_days)
    count = 0
    while folders := await hub.database.writing(lambda db: shelf.remove_abandoned(db, before)):
        for folder in folders:
            await hub.objects.delete_folder(prefix(folder))
        count += len(folders)
    return count


async def _close(hub: Services, principal: Principal, blob_id: str, parts: int) -> None:
    folder = await hub.database.writing(lambda db: shelf.complete(db, principal, blob_id, parts))
    wanted = await hub.database.reading(lambda db: shelf.all_keys(db, blob_id))
    if wanted:
        await hub.objects.tidy_folder(prefix(folder), wanted)


class _PartResponse(Response):
    """Streams one object, holding one of the asker's slots."""

    def __init__(self, objects: Objects, part: Part, slots: Slots, principal_id: str, idle_seconds: float) -> None:
        headers = {"Content-Length": str(part.size), "Content-Digest": header_of(part.sha256)}
        super().__init__(headers=headers, media_type="application/octet-stream")
        self._objects = objects
        self._part = part
        self._slots = slots
        self._principal_id = principal_id
        self._idle_seconds = idle_seconds

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        with self._slots.hold(self._principal_id):
            started = False
            async for piece in self._objects.reading(self._part.key, self._part.size):
                # Only now, so that an object that can't be read gets an error instead of half an answer.
                if not started:
                    started = True
                    await self._start(send)
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                await send_in_time(send, message, self._idle_seconds)
            if not started:
                await self._start(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})


async def _receive(receive: Receive, sha256: str, writer: Writer | None) -> int:
    """Pass the body on to ``writer`` in pieces of about 1 MiB; its size. 400 if its digest is another."""
    digest = hashlib.sha256()
    size = waiting = 0
    pending: list[bytes] = []
    async for piece in body_pieces(receive):
        pending.append(piece)
        waiting += len(piece)
        if waiting >= _PIECE:
            # In a thread, and while it is written: others are served meanwhile.
            whole = b"".join(pending)
            hashing = asyncio.to_thread(digest.update, whole)
            await (hashing if writer is None else asyncio.gather(hashing, writer.write(whole)))
            size, waiting = size + waiting, 0
            pending.clear()
    rest = b"".join(pending)
    digest.update(rest)
    if digest.hexdigest() != sha256:
        raise bad_request(
            "The body is not what its Content-Digest says; it was damaged on the way. Send the part again."
        )
    if writer is not None and rest:
        await writer.write(rest)
    return size + waiting


async def _listing(hub: Services, blob_id: str, complete: bool) -> AsyncIterator[str]:
    """The JSON of a `BlobInfo`, page by page: a blob can have a million parts."""
    yield f'{{"id":"{blob_id}","complete":{json.dumps(complete)},"parts":['
    last = -1
    while page := await hub.database.reading(
        lambda db, after=last: shelf.parts_after(db, blob_id, after, _PAGE)  # type: ignore[misc]
    ):
        text = ",".join(f'{{"index":{part.index},"size":{part.size},"sha256":"{part.sha256}"}}' for part in page)
        yield text if last < 0 else f",{text}"
        last = page[-1].index
    yield "]}"


def _part_answer(status: HTTPStatus, part: Part) -> JSONResponse:
    return JSONResponse({"index": part.index, "size": part.size, "sha256": part.sha256}, status_code=status)


def prefix(folder: str) -> str:
    """Where the objects of a blob lie. Two levels, so that no folder of a disk grows too long."""
    return f"{folder[:2]}/{folder}"
