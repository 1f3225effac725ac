"""Keys of unfinished uploads: in the vault from before the first byte, never on this machine's disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cloister.errors import ServerError, VerificationError
from cloister.formats.dataset import PART_SIZE
from cloister.sdk.client import Client
from cloister.sdk.key import Key
from cloister.sdk.resume import KEPT_SECONDS
from tests.sdk.conftest import OWNER, World
from tests.sdk.hub_peer import problem

SIZE = 2 * PART_SIZE + 5


def large(folder: Path) -> Path:
    file = folder / "large.bin"
    file.write_bytes(os.urandom(SIZE))
    return file


def pending(world: World) -> list[Path]:
    return list((world.folder / OWNER / "pending").glob("*.json"))


def keys(world: World) -> list[bytes]:
    """The keys that the vault holds."""
    (vault,) = world.hub.enclave.vaults.values()
    return [item.value for name, item in vault.items.items() if name.startswith("key/")]


def broken_off(world: World, file: Path) -> Client:
    """An upload that the hub's absence has ended on its way."""

    def away(request: Request) -> Response | None:
        later = request.method == "PUT" and request.url.path.endswith(("/1", "/2"))
        return problem(503, "busy", "Later.") if later else None

    client = world.client()
    world.hub.on_request = away
    with pytest.raises(ServerError):
        client.upload_file(file)
    world.hub.on_request = lambda request: None
    return client


def test_the_next_try_has_the_same_key(world: World, tmp_path: Path) -> None:
    file = large(tmp_path)
    broken_off(world, file)
    (kept,) = keys(world)
    (note,) = pending(world)
    held = [path.read_bytes() for path in (world.folder / OWNER).rglob("*") if path.is_file()]
    assert not [content for content in held if kept in content or kept.hex().encode() in content]

    # Another process, which knows nothing but what the folder and the vault tell.
    client = world.client()
    digest = client.upload_file(file, description="as of May")
    assert client.get_dataset_key(digest) == Key(kept)
    assert [each["name"] for each in client.get_available_datasets()] == ["large.bin"]
    with client.download_dataset(digest, client.get_dataset_key(digest)) as stream:
        assert stream.read() == file.read_bytes()
    # Nothing is pending any more: the vault has the one key of the one dataset.
    assert keys(world) == [kept]
    assert not note.exists()


def test_files_of_one_part_need_no_note(world: World, tmp_path: Path) -> None:
    small = tmp_path / "small.csv"
    small.write_bytes(b"1,2\n")
    client = world.client()
    digest = client.upload_file(str(small), "other name")
    assert client.get_available_datasets()[0]["name"] == "other name"
    assert keys(world) == [client.get_dataset_key(digest).material]
    assert pending(world) == []


def test_damaged_notes_and_lost_keys_start_anew(world: World, tmp_path: Path) -> None:
    file = large(tmp_path)
    client = broken_off(world, file)
    (note,) = pending(world)
    note.write_bytes(b"{")
    digest = client.upload_file(file)
    # The key that nobody could find again stays behind.
    assert len(keys(world)) == 2
    with client.download_dataset(digest, client.get_dataset_key(digest)) as stream:
        assert stream.read() == file.read_bytes()


def test_what_nobody_came_back_for_is_given_up(world: World, tmp_path: Path) -> None:
    client = broken_off(world, large(tmp_path))
    (note,) = pending(world)
    long_ago = time.time() - KEPT_SECONDS - 60
    os.utime(note, (long_ago, long_ago))
    other = tmp_path / "other.bin"
    other.write_bytes(os.urandom(SIZE))
    digest = client.upload_file(other)
    assert keys(world) == [client.get_dataset_key(digest).material]
    assert pending(world) == []


def test_nothing_is_sent_where_the_key_could_not_be_kept(world: World, tmp_path: Path) -> None:
    world.client(home="first").get_available_datasets()
    with pytest.raises(VerificationError, match="set CLOISTER_VAULT="):
        world.client(home="second").upload_file(large(tmp_path))
    assert world.hub.blobs == {}
