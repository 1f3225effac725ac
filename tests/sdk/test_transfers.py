"""Keys, and datasets on their way to and from the hub."""

from __future__ import annotations

import io
import itertools
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cloister.errors import ApiError, BadRequestError, DecryptionFailed, ServerError, TimedOut
from cloister.formats.dataset import PART_SIZE
from cloister.sdk.key import Key
from cloister.sdk.uploads import upload
from cloister.wire.hub import Hub
from cloister.wire.patience import Deadline, Patience, Unavailable
from cloister.wire.transfers import download, stream

from .conftest import OWNER, World
from .hub_peer import problem

AT_ONCE = Patience(pauses=(0.0, 0.0), sleep=lambda seconds: None)


@pytest.fixture
def hub(world: World) -> Iterator[Hub]:
    hub = Hub(world.url, world.hub.add_user(OWNER))
    yield hub
    hub.close()


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_fresh_and_silent() -> None:
    key = Key()
    assert len(key.material) == 32
    assert key != Key()
    assert key == Key(key.material)
    assert hash(key) == hash(Key(key.material))
    assert key != key.material
    for shown in (repr(key), str(key), f"{key}", f"{key!a}"):
        assert shown == "Key(...)"
    assert repr([{"key": key}]) == "[{'key': Key(...)}]"
    assert not hasattr(key, "__dict__"), "nothing that looks into objects finds it by chance"


@pytest.mark.parametrize("material", [b"", b"k" * 31, b"k" * 33, "k" * 32, 32])
def test_other_sizes_are_no_keys(material: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Key(material)


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 3 * PART_SIZE])
def test_what_went_up_comes_down(size: int, hub: Hub, world: World) -> None:
    data, key, back = os.urandom(size), Key(), io.BytesIO()
    manifest = upload(hub, io.BytesIO(data), key, patience=AT_ONCE)
    assert manifest.dataset in world.hub.complete
    # One byte is in any ciphertext by chance.
    assert len(data) < 16 or data not in b"".join(world.hub.blobs[manifest.dataset].values())
    download(hub, manifest, key.material, back, patience=AT_ONCE)
    assert back.getvalue() == data
    with pytest.raises(DecryptionFailed):
        download(hub, manifest, Key().material, io.BytesIO(), patience=AT_ONCE)


def _failing(world: World, path: str, times: int, answer: Callable[[], Response]) -> list[str]:
    """Lets the first requests below a path fail; the list says which."""
    failed: list[str] = []
    lock = threading.Lock()

    def fail(request: Request) -> Response | None:
        with lock:
            if path in request.url.path and len(failed) < times:
                failed.append(request.url.path)
                return answer()
        return None

    world.hub.on_request = fail
    return failed


def test_parts_that_fail_are_sent_again(hub: Hub, world: World) -> None:
    failed = _failing(world, "/parts/", 2, lambda: problem(503, "unavailable", "Later."))
    data, key, back = os.urandom(2 * PART_SIZE), Key(), io.BytesIO()
    manifest = upload(hub, io.BytesIO(data), key, patience=AT_ONCE)
    assert len(failed) == 2
    failed.clear()
    download(hub, manifest, key.material, back, patience=AT_ONCE)
    assert len(failed) == 2
    assert back.getvalue() == data


def test_an_upload_that_fails_leaves_nothing(hub: Hub, world: World) -> None:
    _failing(world, "/parts/1", 99, lambda: problem(413, "too_large", "Too much."))
    with pytest.raises(BadRequestError, match="Too much"):
        upload(hub, io.BytesIO(os.urandom(3 * PART_SIZE)), Key(), patience=AT_ONCE, parallel=1)
    assert world.hub.blobs == {}


def test_an_upload_that_breaks_off_is_given_up_in_the_end(hub: Hub, world: World) -> None:
    _failing(world, "/complete", 99, lambda: problem(503, "unavailable", "Later."))
    with pytest.raises(ServerError, match="Later"):
        upload(hub, bytes(PART_SIZE + 1), Key(), patience=AT_ONCE)


def test_one_part_is_one_request(hub: Hub, world: World) -> None:
    hub.direct.give_up()
    manifest = upload(hub, b"x", Key(), patience=AT_ONCE)
    assert world.hub.complete == {manifest.dataset}
    assert world.hub.seen == [("PUT", f"/v1/blobs/{manifest.dataset}/parts/0")]


def test_data_that_can_not_be_read_ends_the_upload(hub: Hub, world: World) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("disk on fire")

    with pytest.raises(OSError, match="disk on fire"):
        upload(hub, Broken(), Key(), patience=AT_ONCE)  # type: ignore[arg-type]
    assert world.hub.blobs == {}


def test_memory_is_bounded_whatever_the_size(hub: Hub, world: World, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(12 * PART_SIZE)
    # The peer keeps what it gets in this very process: let it forget.
    world.hub.on_request = lambda request: Response("{}") if request.method in ("PUT", "POST") else None
    tracemalloc.start()
    try:
        upload(hub, path, Key(), patience=AT_ONCE, parallel=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Two parts on their way, one being made, and copies that the libraries hold while sending.
    assert peak < 8 * PART_SIZE


def test_memory_of_downloads_is_bounded_however_slowly_they_are_taken(hub: Hub, world: World) -> None:
    size, key = 12 * PART_SIZE, Key()
    manifest = upload(hub, io.BytesIO(bytes(size)), key, patience=AT_ONCE, parallel=2)
    tracemalloc.start()
    try:
        pieces = stream(hub, manifest, key.material, patience=AT_ONCE, parallel=2)
        assert sum(len(piece) for piece in pieces) == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Two on their way, one that was handed out, two that are decrypted, and what the peer in this process sends.
    assert peak < 8 * PART_SIZE


# --- patience ---------------------------------------------------------------------------------------------------------


def test_patience_has_growing_pauses_and_an_end() -> None:
    pauses: list[float] = []

    def away() -> None:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        Patience(pauses=(1, 2, 4), sleep=pauses.append).run(away)
    assert pauses == [1, 2, 4]


def test_transfers_outlast_a_minute_without_a_network() -> None:
    assert sum(Patience().longer().pauses) > 60
    assert Patience(pauses=()).longer().pauses == ()


@pytest.mark.parametrize(
    ("seconds", "silent", "ends"),
    [(9, False, True), (10, False, False), (70, True, True), (180, True, False)],
)
def test_connections_that_were_good_are_made_anew_for_ever_and_silence_is_not(
    seconds: int, silent: bool, ends: bool
) -> None:
    clock = itertools.count(step=seconds)
    tries = 0

    def broke() -> None:
        nonlocal tries
        tries += 1
        if tries > 100:
            raise BadRequestError("enough")
        raise Unavailable("it broke", silent=silent)

    with pytest.raises(Unavailable if ends else BadRequestError):
        Patience(sleep=lambda seconds: None, monotonic=lambda: next(clock)).run(broke)


def test_nothing_else_is_tried_again() -> None:
    def refused() -> None:
        raise BadRequestError("no")

    with pytest.raises(BadRequestError):
        Patience(sleep=lambda seconds: pytest.fail("paused")).run(refused)


def test_a_pause_is_as_long_as_the_other_side_asks_but_not_forever() -> None:
    pauses: list[float] = []
    waits = iter([5.0, 10_000.0])

    def busy() -> str:
        for seconds in waits:
            raise Unavailable("busy", retry_after=seconds)
        return "done"

    assert Patience(pauses=(1, 1), sleep=pauses.append).run(busy) == "done"
    assert pauses == [5.0, 30.0]


def test_a_deadline_ends_patience() -> None:
    with pytest.raises(TimedOut):
        Patience().run(lambda: pytest.fail("called"), Deadline.after(0))

    def away() -> None:
        raise Unavailable("away")

    pauses: list[float] = []
    with pytest.raises(ApiError):
        Patience(pauses=(100.0,), sleep=pauses.append).run(away, Deadline.after(50))
    assert 0 < pauses[0] <= 50
