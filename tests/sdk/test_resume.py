"""Uploads that are taken up where an earlier one has stopped: with the connection, with the process, with anything."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cloister.errors import BadRequestError, ServerError
from cloister.formats.dataset import PART_SIZE, Manifest
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.progress import Reporter, TransferProgress
from cloister.sdk.resume import KEPT_SECONDS, UploadRecords
from cloister.sdk.uploads import Transfers
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import download

from .conftest import OWNER, World
from .hub_peer import problem

PARTS = 4
AT_ONCE = Patience(pauses=(0.0,), sleep=lambda seconds: None)


@dataclass
class Place:
    """A machine with a file that is to be uploaded to a hub."""

    world: World
    file: Path
    home: Path
    key: Key = field(default_factory=Key)

    def __post_init__(self) -> None:
        self.token = self.world.hub.add_user(OWNER)
        self.hub = Hub(self.world.url, self.token)
        self.world.clients.callback(self.hub.close)
        self.told: list[TransferProgress] = []

    def transfers(self) -> Transfers:
        records = UploadRecords(StateFolder(self.home), self.world.url, OWNER)
        return Transfers(self.hub, AT_ONCE, Reporter(self.told.append), records)

    def upload(self, key: Key | None = None) -> Manifest:
        return self.transfers().upload(self.file, key or self.key, parallel=1)

    def stops_at(
        self, index: int, answer: Callable[[], Response] = lambda: problem(503, "unavailable", "Later.")
    ) -> None:
        """From this part on the hub takes nothing."""

        def refuse(request: Request) -> Response | None:
            wanted = request.path_params.get("index", -1)
            return answer() if request.method == "PUT" and wanted >= index else None

        self.world.hub.on_request = refuse

    def goes_on(self) -> None:
        self.world.hub.on_request = lambda request: None
        self.world.hub.seen.clear()

    def sent(self) -> list[int]:
        """Indices of the parts that were sent, in order."""
        return [int(path.rpartition("/")[2]) for method, path in self.world.hub.seen if method == "PUT"]

    def records(self) -> list[Path]:
        return sorted((self.home / "uploads").glob("*"))

    def check(self, manifest: Manifest, key: Key | None = None) -> None:
        """What the hub has is the file, whole; and nothing else is left."""
        back = self.home / "back"
        with back.open("wb") as into:
            download(self.hub, manifest, (key or self.key).material, into, patience=AT_ONCE)
        assert back.read_bytes() == self.file.read_bytes()
        assert set(self.world.hub.blobs) == {manifest.dataset}
        assert self.records() == []


@pytest.fixture
def place(world: World, tmp_path: Path) -> Place:
    file = tmp_path / "data.bin"
    file.write_bytes(os.urandom((PARTS - 1) * PART_SIZE + 1000))
    return Place(world, file, tmp_path / "home")


def interrupted(place: Place, at: int = 2) -> None:
    """An upload of which the first parts arrive."""
    place.stops_at(at)
    with pytest.raises(ServerError) as caught:
        place.upload()
    assert "same file with the same key" in "".join(caught.value.__notes__)
    assert len(place.records()) == 1
    place.goes_on()


def test_only_what_is_missing_is_sent(place: Place) -> None:
    interrupted(place)
    manifest = place.upload()
    assert place.sent() == [2, 3]
    # What had arrived counts from the start.
    assert place.told[-1] == TransferProgress("upload", "", place.file.stat().st_size, place.file.stat().st_size)
    place.check(manifest)


def test_a_killed_process_is_followed_by_one_that_goes_on(place: Place) -> None:
    stop = 2 * PART_SIZE
    given = [place.world.url, place.token, OWNER, place.home, place.file, place.key.material.hex(), stop]
    command = [sys.executable, "-m", "tests.uploader", *map(str, given)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [int(process.stdout.readline()) for _ in range(2)] == [PART_SIZE, stop]
        process.kill()
    assert process.returncode == -9
    place.goes_on()
    manifest = place.upload()
    # The third part was on its way when the process died: whether it has arrived is not known, so it is sent again.
    assert place.sent() == [2, 3]
    place.check(manifest)


def test_another_key_is_another_upload(place: Place) -> None:
    interrupted(place)
    other = Key()
    manifest = place.upload(other)
    assert place.sent() == [0, 1, 2, 3]
    assert len(place.records()) == 1
    # The first can be taken up all the same.
    place.goes_on()
    first = place.upload()
    assert place.sent() == [2, 3]
    assert first.dataset != manifest.dataset
    place.hub.delete_blob(manifest.dataset)
    place.check(first)


def test_a_file_that_was_changed_is_sent_anew(place: Place) -> None:
    interrupted(place)
    with place.file.open("r+b") as file:
        file.write(b"other beginning")
    manifest = place.upload()
    assert place.sent() == [0, 1, 2, 3]
    place.check(manifest)  # what had arrived of the old one is gone


def test_a_change_that_hides_its_time_is_noticed(place: Place) -> None:
    interrupted(place)
    before = place.file.stat()
    with place.file.open("r+b") as file:
        file.seek(PART_SIZE)
        file.write(b"other second part")
    os.utime(place.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    manifest = place.upload()
    assert place.sent() == [1, 2, 3]
    place.check(manifest)


def test_what_the_hub_has_lost_is_sent_again(place: Place) -> None:
    interrupted(place)
    (parts,) = place.world.hub.blobs.values()
    del parts[0]
    place.check(place.upload())
    assert place.sent() == [0, 2, 3]


def test_what_the_hub_has_exchanged_is_sent_again(place: Place) -> None:
    interrupted(place)
    (parts,) = place.world.hub.blobs.values()
    parts[1] = parts[0]
    place.check(place.upload())
    assert place.sent() == [1, 2, 3]


def test_an_upload_that_the_hub_has_thrown_away_begins_anew(place: Place) -> None:
    interrupted(place)
    place.world.hub.blobs.clear()
    place.check(place.upload())
    assert place.sent() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-20],
        lambda data: data + b'{"half a line',
        lambda data: data.replace(b'"seal":"', b'"sael":"'),
        lambda data: b"\xff" + data,
        lambda data: b"",
        lambda data: data.replace(b'"version":1', b'"version":2'),
        lambda data: data.split(b"\n")[0],
    ],
)
def test_a_damaged_record_costs_time_and_nothing_else(place: Place, damage: Callable[[bytes], bytes]) -> None:
    interrupted(place)
    (record,) = place.records()
    record.write_bytes(damage(record.read_bytes()))
    manifest = place.upload()
    place.hub.delete_blob(next(iter({*place.world.hub.blobs} - {manifest.dataset}), "00" * 32))
    place.check(manifest)


def test_seals_of_another_part_or_dataset_are_not_taken(place: Place) -> None:
    """Whoever can write the record, but has no key, can't make an upload leave out what was never sent."""
    interrupted(place)
    (record,) = place.records()
    header, first, second = record.read_bytes().splitlines()
    record.write_bytes(b"\n".join([header, first.replace(b'"index":0', b'"index":1'), second]) + b"\n")
    (parts,) = place.world.hub.blobs.values()
    parts[1] = parts[0]
    manifest = place.upload()
    assert 1 in place.sent()
    place.check(manifest)


def test_the_record_tells_nothing(place: Place) -> None:
    interrupted(place)
    (record,) = place.records()
    assert record.stat().st_mode & 0o777 == 0o600
    text = record.read_bytes()
    assert place.key.material not in text
    assert place.key.material.hex().encode() not in text
    assert str(place.file).encode() not in text
    with place.file.open("rb") as file:
        assert file.read(16) not in text


def test_what_is_refused_is_not_kept(place: Place) -> None:
    place.stops_at(2, lambda: problem(413, "too_large", "Too much."))
    with pytest.raises(BadRequestError, match="Too much"):
        place.upload()
    assert place.world.hub.blobs == {}
    assert place.records() == []


def test_a_file_that_changes_while_it_is_read_is_refused(place: Place) -> None:
    def change(progress: TransferProgress) -> None:
        with place.file.open("ab") as file:
            file.write(b"more")

    transfers = Transfers(place.hub, AT_ONCE, Reporter(change), place.transfers().records)
    with pytest.raises(BadRequestError, match="changed while it was uploaded"):
        transfers.upload(place.file, place.key)
    assert place.world.hub.blobs == {}


def test_two_processes_at_once_do_not_disturb_each_other(place: Place) -> None:
    records = place.transfers().records
    assert records is not None
    with records.of(place.file.stat(), place.key.material) as mine:
        assert mine is not None
        manifest = place.upload()
        assert manifest.dataset != mine.dataset
        mine.forget()
    place.check(manifest)


def test_without_a_folder_it_works_all_the_same(place: Place) -> None:
    place.home.write_text("not a folder")
    manifest = place.upload()
    assert set(place.world.hub.blobs) == {manifest.dataset}


def test_small_files_and_streams_leave_no_record(place: Place) -> None:
    place.stops_at(0)
    small = place.file.with_name("small")
    small.write_bytes(b"small")
    packed = place.file.with_name("packed.gz")
    with gzip.open(packed, "wb", compresslevel=0) as stream:
        stream.write(place.file.read_bytes())
    with small.open("rb") as file, pytest.raises(ServerError):
        place.transfers().upload(file, place.key)
    # What gzip gives are not the bytes of the file that it reads.
    with gzip.open(packed, "rb") as unpacked, pytest.raises(ServerError):
        place.transfers().upload(cast("IO[bytes]", unpacked), place.key)
    with place.file.open("rb") as file:
        file.seek(1)
        with pytest.raises(ServerError):
            place.transfers().upload(file, place.key)
    assert place.records() == []
    assert place.world.hub.blobs == {}


def test_records_that_nobody_came_back_for_are_swept(place: Place) -> None:
    interrupted(place)
    (record,) = place.records()
    long_ago = record.stat().st_mtime - KEPT_SECONDS - 10
    os.utime(record, (long_ago, long_ago))
    other = Key()
    place.upload(other)
    assert place.records() == []
