"""The shelf for ciphertext, in a folder and in a store that is none."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from cloister.errors import CloisterError
from cloister.hub.objects import Objects, open_objects
from cloister.hub.problems import Problem
from cloister.hub.settings import MIB, HubSettings


@pytest.fixture(params=["folder", "remote"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return Objects(LocalStore(tmp_path), tmp_path) if request.param == "folder" else Objects(MemoryStore())


async def write(objects: Objects, key: str, *pieces: bytes) -> None:
    async with objects.writing(key) as writer:
        for piece in pieces:
            await writer.write(piece)


async def read(objects: Objects, key: str, size: int) -> bytes:
    return b"".join([bytes(piece) async for piece in objects.reading(key, size)])


@pytest.mark.parametrize("size", [0, 1, MIB, 7 * MIB + 1])
def test_what_is_written_is_read(objects: Objects, size: int) -> None:
    content = secrets.token_bytes(size)
    pieces = [content[start : start + 1_000_000] for start in range(0, size, 1_000_000)]

    async def scenario() -> None:
        await write(objects, "ab/abc/0-x", *pieces)
        assert await read(objects, "ab/abc/0-x", size) == content

    asyncio.run(scenario())


def test_what_fails_on_the_way_never_exists(objects: Objects) -> None:
    async def fail() -> None:
        async with objects.writing("ab/abc/0-x") as writer:
            await writer.write(bytes(6 * MIB))
            raise LookupError

    async def scenario() -> None:
        with pytest.raises(LookupError):
            await fail()
        with pytest.raises(Problem) as caught:
            await read(objects, "ab/abc/0-x", 1)
        assert caught.value.status_code == 404

    asyncio.run(scenario())


def test_deleting(objects: Objects) -> None:
    async def scenario() -> None:
        for key in ("ab/abc/0-x", "ab/abc/1-y", "ab/abc/2-z", "ab/abd/0-x"):
            await write(objects, key, b"content")
        await objects.delete("ab/abc/0-x")
        await objects.delete("ab/abc/0-x")
        await objects.tidy_folder("ab/abc", frozenset({"ab/abc/1-y"}))
        assert await read(objects, "ab/abc/1-y", 7) == b"content"
        await objects.delete_folder("ab/abc")
        await objects.delete_folder("ab/abc")
        for key in ("ab/abc/1-y", "ab/abc/2-z"):
            with pytest.raises(Problem):
                await read(objects, key, 7)
        assert await read(objects, "ab/abd/0-x", 7) == b"content"

    asyncio.run(scenario())


@pytest.mark.parametrize("there", [0, 1, 5, 3 * MIB])
def test_an_object_shorter_than_it_should_be_is_not_passed_on(objects: Objects, there: int) -> None:
    """Not even its beginning: and trying again is of no use."""

    async def scenario() -> None:
        await write(objects, "ab/abc/0-x", bytes(there))
        with pytest.raises(Problem, match="gone from the hub's blob store, or damaged") as caught:
            await anext(objects.reading("ab/abc/0-x", 4 * MIB))
        assert caught.value.status_code == 404

    asyncio.run(scenario())


def test_a_folder_can_be_named_by_url(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    settings = HubSettings(data=tmp_path / "data", blob_store_url=folder.as_uri())
    asyncio.run(write(open_objects(settings), "ab/abc/0-x", b"content"))
    assert (folder / "ab" / "abc" / "0-x").read_bytes() == b"content"


def test_a_store_of_another_kind_can_be_named_by_url(tmp_path: Path) -> None:
    settings = HubSettings(data=tmp_path, blob_store_url="memory:///")
    objects = open_objects(settings)

    async def scenario() -> None:
        await write(objects, "ab/abc/0-x", b"content")
        assert await read(objects, "ab/abc/0-x", 7) == b"content"

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["nonsense", "gopher://secret@host/x", "s3://"])
def test_a_store_that_is_none_is_refused_without_repeating_the_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(CloisterError, match="can't be opened") as caught:
        open_objects(HubSettings(data=tmp_path, blob_store_url=url))
    assert "secret" not in str(caught.value)
