"""Stores that are full, away, slow, or lie: clear errors, nothing lost, and afterwards it goes on by itself."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from cloister.enclave.store import SqliteStore, StoreFailed
from cloister.errors import CloisterError, NotFoundError, ServerError
from cloister.formats.dataset import Manifest
from cloister.hub.accounts import add_user
from cloister.hub.settings import MIB, HubSettings
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import download, upload
from tests.hub.peers import PATIENCE, RunningHub, fresh_id
from tests.hub.test_blobs import begin_part, complete, info, objects_in, put
from tests.s3 import BUCKET, S3Server
from tests.s3.liar import Asked, Lie, LyingStore, Said

AT_ONCE = Patience(pauses=(0.0,), sleep=lambda seconds: None)


@dataclass(frozen=True)
class Disk:
    """A small disk, and the way to fill it and to make room again."""

    folder: Path

    def fill(self) -> None:
        file = os.open(self.folder / "filler", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(file, bytes(4096))
        os.close(file)

    def make_room(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True)
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


class TestFull:
    """A disk without room."""

    def test_a_folder_of_blobs(self, disk: Disk, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path / "data", blob_store_url=disk.folder.as_uri())
        blob, bodies = fresh_id(), [secrets.token_bytes(5 * MIB) for _ in range(3)]
        with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as alice:
            assert put(alice, blob, 0, bodies[0]).status_code == 201
            disk.fill()
            refused = put(alice, blob, 1, bodies[1])
            assert (refused.status_code, refused.json()["error"]["code"]) == (507, "full")
            assert int(refused.headers["retry-after"]) > 0
            assert alice.get(f"/v1/blobs/{blob}").json()["parts"] == [info(0, bodies[0])]
            disk.make_room()
            assert put(alice, blob, 1, bodies[1]).status_code == 201
            assert complete(alice, blob, 2).status_code == 200
            assert [alice.get(f"/v1/blobs/{blob}/parts/{index}").content for index in (0, 1)] == bodies[:2]
            # Nothing of what did not fit was left lying about.
            assert len([file for file in disk.folder.rglob("*") if file.is_file()]) == 2

    def test_the_hubs_database(self, disk: Disk) -> None:
        settings = HubSettings(data=disk.folder)
        with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as alice:
            token = alice.post("/v1/tokens", json={"description": "before"})
            assert token.status_code == 201
            disk.fill()
            answers = [alice.post("/v1/tokens", json={"description": "x" * 200}) for _ in range(30)]
            refused = [answer for answer in answers if answer.status_code != 201]
            assert refused
            assert {(answer.status_code, answer.json()["error"]["code"]) for answer in refused} == {(507, "full")}
            assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
            assert alice.get("/v1/me").status_code == 200, "reading goes on"
            disk.make_room()
            assert alice.post("/v1/tokens", json={"description": "after"}).status_code == 201
            kept = [entry["description"] for entry in alice.get("/v1/tokens").json()]
            assert "before" in kept
            assert "after" in kept
            assert len(kept) == 3 + len(answers) - len(refused)

    def test_the_enclaves_store(self, disk: Disk) -> None:
        row = secrets.token_bytes(20_000)
        with closing(SqliteStore(disk.folder / "rooms.db")) as store:
            store.append("room", 0, [row], put={"name": b"old"})
            disk.fill()
            written = 1
            with contextlib.suppress(StoreFailed):
                while written < 100:
                    store.append("room", written, [row], put={"name": b"%d" % written})
                    written += 1
            with pytest.raises(StoreFailed, match=r"SQLITE_(FULL|IOERR)"):
                store.append("room", written, [row], put={"name": b"new"})
            assert len(list(store.read("room"))) == written < 100
            assert store.secret("room", "name") == (b"old" if written == 1 else b"%d" % (written - 1))
            disk.make_room()
            store.append("room", written, [b"more"], delete=["name"])
            assert list(store.read("room")) == [row] * written + [b"more"]


class TestSlow:
    """Clients that send as slowly as they may."""

    def test_a_part_that_comes_byte_by_byte_is_given_up(self, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path, idle_seconds=0.5, slowest_bytes=1000, transfer_slots=1)
        token, blob, body = add_user(settings, "a@example.com"), fresh_id(), bytes(1000)
        with RunningHub(settings) as hub, begin_part(hub.url, token, blob, 0, body, 1) as connection:
            connection.settimeout(0.02)
            answer = b""
            for byte in body:
                try:
                    answer = connection.recv(4096)
                    break
                except TimeoutError:
                    connection.sendall(bytes([byte]))
            assert answer.startswith(b"HTTP/1.1 408 ")
            with hub.client(token) as alice:
                assert put(alice, blob, 0, body).status_code == 201, "its slot is free again"

    def test_a_part_that_is_longer_than_was_declared_never_exists(self, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path)
        token, blob, body = add_user(settings, "a@example.com"), fresh_id(), b"short"
        with RunningHub(settings) as hub, begin_part(hub.url, token, blob, 0, body, 4) as connection:
            connection.sendall(b"xmore than there may be")
            connection.settimeout(PATIENCE)
            assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
            with hub.client(token) as alice:
                assert alice.get(f"/v1/blobs/{blob}").json()["parts"] == []
        assert objects_in(tmp_path) == []


@dataclass(frozen=True)
class World:
    """A hub whose blob store may be made to lie, and a dataset there."""

    store: LyingStore
    hub: Hub
    url: str
    token: str
    manifest: Manifest
    data: bytes
    key: bytes

    def fetch(self) -> bytes:
        """The dataset, as a client gets it that has not met this store before."""
        with closing(Hub(self.url, self.token, timeout=2)) as hub:
            into = io.BytesIO()
            download(hub, self.manifest, self.key, into, patience=AT_ONCE)
            return into.getvalue()


@pytest.fixture(scope="module")
def world(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    prefix = secrets.token_hex(4)
    with LyingStore(s3.endpoint) as store, pytest.MonkeyPatch.context() as environment:
        for name, value in s3.environment(store.endpoint).items():
            environment.setenv(name, value)
        settings = HubSettings(data=tmp_path_factory.mktemp("lying"), blob_store_url=f"s3://{BUCKET}/{prefix}")
        token = add_user(settings, "a@example.com")
        with RunningHub(settings) as running, closing(Hub(running.url, token)) as hub:
            data, key = secrets.token_bytes(300_000), secrets.token_bytes(32)
            manifest = upload(hub, [data], key, fresh_id(), patience=AT_ONCE)
            yield World(store, hub, running.url, token, manifest, data, key)


@pytest.fixture(autouse=True)
def honest(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "world" in request.fixturenames:
        store = request.getfixturevalue("world").store
        store.lie = lambda asked, said: said
        store.drop = lambda asked: False
        store.seen.clear()


def other_bytes(said: Said) -> Said:
    return replace(said, body=secrets.token_bytes(len(said.body)))


def one_bit(said: Said) -> Said:
    return replace(said, body=bytes([said.body[0] ^ 1]) + said.body[1:]) if said.body else said


def nothing(said: Said) -> Said:
    return replace(said, body=b"", headers=said.headers | {"content-length": "0"})


def shorter(said: Said) -> Said:
    body = said.body[:-1]
    return replace(said, body=body, headers=said.headers | {"content-length": str(len(body))})


def longer(said: Said) -> Said:
    body = said.body + b"x"
    return replace(said, body=body, headers=said.headers | {"content-length": str(len(body))})


def broken_off(said: Said) -> Said:
    return replace(said, cut=True)


def failing(said: Said) -> Said:
    return Said(500, {"content-length": "0"}, b"")


def gone(said: Said) -> Said:
    return Said(404, {"content-length": "0"}, b"")


def moved(said: Said) -> Said:
    return Said(302, {"location": "http://127.0.0.1:1/", "content-length": "0"}, b"")


def page(said: Said) -> Said:
    return Said(200, {"content-type": "text/html", "content-length": "6"}, b"<html>")


def never(said: Said) -> Said:
    return replace(said, never=True)


LIES: list[Callable[[Said], Said]] = [
    other_bytes,
    one_bit,
    nothing,
    shorter,
    longer,
    broken_off,
    failing,
    gone,
    moved,
    page,
]


def always(how: Callable[[Said], Said]) -> Lie:
    return lambda asked, said: how(said) if asked.method == "GET" else said


def straight(how: Callable[[Said], Said]) -> Lie:
    return lambda asked, said: how(said) if asked.signed_url else said


class TestLying:
    """A store that is not what it should be."""

    @pytest.mark.parametrize("how", [*LIES, never], ids=lambda how: how.__name__)
    def test_on_the_direct_way_alone_the_data_comes_through_the_hub(
        self, world: World, how: Callable[[Said], Said]
    ) -> None:
        world.store.lie = straight(how)
        assert world.fetch() == world.data

    @pytest.mark.parametrize("how", LIES, ids=lambda how: how.__name__)
    def test_on_all_ways_nothing_wrong_is_ever_taken_for_data(self, world: World, how: Callable[[Said], Said]) -> None:
        world.store.lie = always(how)
        if how is longer:
            # The hub asks for as many bytes as there are, and takes no more.
            with pytest.raises(CloisterError):
                world.fetch()
        else:
            with pytest.raises(CloisterError, match=r"again|not the one|not what|restore|changed"):
                world.fetch()
        world.store.lie = lambda asked, said: said
        assert world.fetch() == world.data

    def test_stale_bytes_are_noticed(self, world: World) -> None:
        """What was once stored under the same key, say: whole, as long, encrypted with that key, and another."""
        kept: list[bytes] = []

        def keep(asked: Asked, said: Said) -> Said:
            if asked.method == "GET":
                kept.append(said.body)
            return said

        world.store.lie = keep
        with closing(Hub(world.url, world.token)) as hub:
            other = upload(hub, [world.data[::-1]], world.key, fresh_id(), patience=AT_ONCE)
            download(hub, other, world.key, io.BytesIO(), patience=AT_ONCE)
        world.store.lie = lambda asked, said: replace(said, body=kept[-1]) if asked.method == "GET" else said
        with pytest.raises(CloisterError, match=r"not what|not the one"):
            world.fetch()

    @pytest.mark.parametrize("how", [failing, gone, nothing], ids=lambda how: how.__name__)
    def test_an_upload_takes_the_other_way(self, world: World, how: Callable[[Said], Said]) -> None:
        world.store.lie = straight(lambda said: failing(said) if how is not gone else gone(said))
        with closing(Hub(world.url, world.token)) as hub:
            key, into, data = secrets.token_bytes(32), io.BytesIO(), secrets.token_bytes(1000)
            manifest = upload(hub, [data], key, fresh_id(), patience=AT_ONCE)
            download(hub, manifest, key, into, patience=AT_ONCE)
        assert into.getvalue() == data

    def test_what_is_dropped_on_the_direct_way_is_sent_again_through_the_hub(self, world: World) -> None:
        world.store.drop = lambda asked: asked.signed_url and asked.method == "PUT"
        with closing(Hub(world.url, world.token)) as hub:
            key, into, data = secrets.token_bytes(32), io.BytesIO(), secrets.token_bytes(1000)
            manifest = upload(hub, [data], key, fresh_id(), patience=AT_ONCE)
            download(hub, manifest, key, into, patience=AT_ONCE)
        assert into.getvalue() == data

    def test_what_is_dropped_altogether_is_noticed_when_it_is_fetched(self, world: World) -> None:
        world.store.drop = lambda asked: asked.method == "PUT"
        with closing(Hub(world.url, world.token)) as hub:
            key = secrets.token_bytes(32)
            manifest = upload(hub, [b"data"], key, fresh_id(), patience=AT_ONCE)
            with pytest.raises(NotFoundError, match="gone from the hub's blob store"):
                download(hub, manifest, key, io.BytesIO(), patience=AT_ONCE)

    def test_a_full_store_is_said(self, world: World) -> None:
        world.store.lie = lambda asked, said: (
            Said(507, {"content-length": "53"}, b"<Error><Code>InsufficientStorage</Code></Error>      ")
            if asked.method == "PUT"
            else said
        )
        with httpx.Client(base_url=world.url, headers={"Authorization": f"Bearer {world.token}"}) as alice:
            refused = put(alice, fresh_id(), 0, b"body")
            assert (refused.status_code, refused.json()["error"]["code"]) == (507, "full")
            assert int(refused.headers["retry-after"]) > 0
        with pytest.raises(ServerError, match="no room left"):
            upload(world.hub, [b"data"], secrets.token_bytes(32), fresh_id(), patience=Patience(pauses=()))
