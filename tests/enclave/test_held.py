"""Which blobs the enclave says are still of use: those that it has the key to, and no others."""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloister.protocol import MAX_BLOBS, FetchResult, RemoveDataset, Result, StopRoom
from cloister.rooms.definition import Participant
from tests.enclave.peers import Enclave, Meeting, attachment, checked, data, python, work

pytestmark = pytest.mark.anyio

OWNER = "owner@held.example"
NODES = (data("patients"), data("lab", required=False), python("mean", "patients"))
ROLES = (Participant(user=OWNER, data_owner_of=("patients", "lab"), analyst_of=("mean",)),)


async def held(enclave: Enclave, *blobs: str) -> set[str]:
    """What the enclave tells the hub."""
    status, answer = await post(enclave, json.dumps({"blobs": blobs}).encode())
    assert status == 200
    return set(json.loads(answer)["held"])


async def post(enclave: Enclave, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to ``POST /held``."""
    sent: list[MutableMapping[str, Any]] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop()

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    await enclave.application({"type": "http", "method": "POST", "path": "/held"}, receive, send)
    return sent[0]["status"], b"".join(event["body"] for event in sent[1:])


async def test_a_blob_is_held_for_as_long_as_there_is_a_key_to_it(tmp_path: Path) -> None:
    enclave = Enclave(tmp_path / "rooms.db")
    room = await Meeting.publish(enclave, NODES, ROLES)
    patients, lab = await room.attach(OWNER, "patients"), await room.attach(OWNER, "lab")
    job = await room.start(OWNER, "mean")
    task = await work(enclave)
    await room.wait(OWNER, "mean", job)
    result = checked(await room.ask(OWNER, FetchResult(node="mean", job=job)), Result).manifest.dataset
    assert result == task.result
    blobs = [patients.dataset, lab.dataset, result]
    assert await held(enclave, os.urandom(32).hex(), *blobs) == set(blobs)
    # After a restart just the same, and whatever the room is not loaded for.
    enclave.close()
    enclave = Enclave(tmp_path / "rooms.db")
    assert await held(enclave, *blobs) == set(blobs)
    room = room.again(enclave)
    # A dataset takes the results with it that were derived from it.
    await room.ask(OWNER, RemoveDataset(node="patients", request=os.urandom(32).hex()))
    assert await held(enclave, *blobs) == {lab.dataset}
    # Nothing in a stopped room is of use.
    await room.ask(OWNER, StopRoom())
    assert await held(enclave, *blobs) == set()
    # What the store shows of it tells nobody which blobs those were.
    content = (tmp_path / "rooms.db").read_bytes()
    assert not any(blob.encode() in content or bytes.fromhex(blob) in content for blob in blobs)
    enclave.close()


async def test_stopping_ends_the_keys_of_data_and_results(enclave: Enclave) -> None:
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(OWNER, "patients")
    job = await room.start(OWNER, "mean")
    await work(enclave)
    await room.wait(OWNER, "mean", job)
    other = await Meeting.publish(enclave, NODES, ROLES)
    kept = await other.attach(OWNER, "patients")
    await room.ask(OWNER, StopRoom())
    assert await held(enclave, kept.dataset) == {kept.dataset}
    # Removing what was attached is possible all the same, as it always was.
    await room.ask(OWNER, RemoveDataset(node="patients", request=os.urandom(32).hex()))


async def test_one_dataset_in_two_places_is_held_until_the_last_is_gone(enclave: Enclave) -> None:
    room = await Meeting.publish(enclave, NODES, ROLES)
    attach = attachment("patients")
    manifest = attach.manifest
    await room.ask(OWNER, attach)
    await room.ask(OWNER, msgspec.structs.replace(attach, node="lab", request=os.urandom(32).hex()))
    await room.ask(OWNER, RemoveDataset(node="patients", request=os.urandom(32).hex()))
    assert await held(enclave, manifest.dataset) == {manifest.dataset}
    await room.ask(OWNER, RemoveDataset(node="lab", request=os.urandom(32).hex()))
    assert await held(enclave, manifest.dataset) == set()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"blobs": "all"}',
        b'{"blobs": ["' + b"AA" * 32 + b'"]}',
        b'{"blobs": [], "more": 1}',
        json.dumps({"blobs": ["00" * 32] * (MAX_BLOBS + 1)}).encode(),
    ],
)
async def test_what_is_no_list_of_blobs_is_refused(enclave: Enclave, body: bytes) -> None:
    status, answer = await post(enclave, body)
    assert status == 400
    assert b"held" not in answer


async def test_a_broken_store_is_no_answer(enclave: Enclave) -> None:
    enclave.store.close()
    status, answer = await post(enclave, json.dumps({"blobs": ["00" * 32]}).encode())
    assert status == 503
    assert b"held" not in answer
