"""The relay: opaque, unbuffered, and both sides learn at once when the other leaves."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from cloister.errors import CloisterError
from cloister.hub.accounts import add_user
from cloister.hub.app import create_app
from cloister.hub.settings import MIB, HubSettings
from tests.ports import free_port

from .conftest import World
from .peers import PATIENCE, Meeting, RunningEnclave, RunningHub

NONCE = "ab" * 32


@pytest.fixture(autouse=True)
def _meet_anew(world: World) -> None:
    world.enclave.peer.meeting = Meeting()


def test_evidence_and_keys_are_passed_on(world: World) -> None:
    evidence = world.alice.get("/v1/enclave/evidence", params={"nonce": NONCE})
    assert evidence.json() == {"path": "/evidence", "query": f"nonce={NONCE}"}
    assert world.worker.get("/v1/enclave/keys").json() == {"path": "/keys", "query": ""}


@pytest.mark.parametrize("nonce", ["", "ab", NONCE.upper(), NONCE + "00", NONCE[:-1] + "\n"])
def test_a_nonce_that_is_none_goes_no_further(world: World, nonce: str) -> None:
    seen = len(world.enclave.peer.queries)
    answer = world.alice.get("/v1/enclave/evidence", params={"nonce": nonce})
    assert answer.status_code == 400
    assert len(world.enclave.peer.queries) == seen


@pytest.mark.parametrize("size", [0, 1, 100_000, 32 * MIB])
def test_a_message_and_its_answer_arrive_as_they_are(world: World, size: int) -> None:
    message = secrets.token_bytes(size)
    answer = world.alice.post("/v1/enclave/messages", content=message)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == message


def test_a_message_without_a_declared_length_too(world: World) -> None:
    pieces = [secrets.token_bytes(70_000) for _ in range(5)]
    answer = world.alice.post("/v1/enclave/messages", content=iter(pieces))
    assert answer.content == b"".join(pieces)


def test_the_enclave_is_not_told_who_asks(world: World) -> None:
    world.alice.post("/v1/enclave/messages", content=b"echo", headers={"Cookie": "a=b", "X-Forwarded-For": "x"})
    shown = world.enclave.peer.headers["cloister-account"]
    world.alice.post("/v1/enclave/messages", content=b"echo")
    assert world.enclave.peer.headers["cloister-account"] == shown  # enough to tell one from another
    world.bob.post("/v1/enclave/messages", content=b"echo")
    assert world.enclave.peer.headers["cloister-account"] != shown
    assert set(world.enclave.peer.headers) == {
        "host",
        "accept",
        "accept-encoding",
        "cloister-account",
        "connection",
        "content-length",
        "content-type",
        "user-agent",
        "x-request-id",  # random, for the log
    }


@pytest.mark.parametrize("declared", [True, False])
def test_too_large_a_message_is_refused(world: World, declared: bool) -> None:
    body = bytes(32 * MIB + 1)
    answer = world.alice.post("/v1/enclave/messages", content=body if declared else iter([body[:MIB]] * 33))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert not world.enclave.peer.meeting.arrived.is_set()


def test_the_first_frame_arrives_before_the_second_is_sent(world: World) -> None:
    with world.alice.stream("POST", "/v1/enclave/messages", content=b"frames") as answer:
        frames = answer.iter_raw()
        assert next(frames) == b"first"
        world.enclave.peer.meeting.release.set()
        assert list(frames) == [b"second"]


@pytest.mark.parametrize("word", [b"hang-after", b"hang"])
def test_a_client_that_leaves_ends_the_enclaves_request(world: World, word: bytes) -> None:
    with raw_request(world, word):
        assert world.enclave.peer.meeting.arrived.wait(PATIENCE)
        assert not world.enclave.peer.meeting.asker_left.is_set()
    assert world.enclave.peer.meeting.asker_left.wait(PATIENCE)


def test_a_client_that_leaves_within_its_message_ends_the_enclaves_request(world: World) -> None:
    with raw_request(world, b"echo", declared=10):
        pass
    assert world.enclave.peer.meeting.asker_left.wait(PATIENCE)
    assert not world.enclave.peer.meeting.arrived.is_set()


def test_an_answer_that_breaks_off_does_not_look_whole(world: World) -> None:
    with world.alice.stream("POST", "/v1/enclave/messages", content=b"break") as answer:
        frames = answer.iter_raw()
        assert next(frames) == b"first"
        with pytest.raises(httpx.RemoteProtocolError):
            next(frames)


def test_the_enclaves_own_errors_are_passed_on(world: World) -> None:
    stale = world.alice.post("/v1/enclave/messages", content=b"stale")
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "stale_keys")
    full = world.alice.post("/v1/enclave/messages", content=b"full")
    assert (full.status_code, full.headers["retry-after"]) == (429, "7")


def test_a_failing_enclave_is_503_without_its_inner_workings(world: World) -> None:
    answer = world.alice.post("/v1/enclave/messages", content=b"fail")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"
    assert "inner workings" not in answer.text


def test_no_browser_would_show_what_the_enclave_says(world: World) -> None:
    answer = world.alice.post("/v1/enclave/messages", content=b"html")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_relayed_requests_are_bounded_for_each_principal(world: World) -> None:
    with ExitStack() as stack:
        answers = []
        for _ in range(world.hub.settings.relay_slots):
            request = world.alice.stream("POST", "/v1/enclave/messages", content=b"frames")
            answers.append(stack.enter_context(request).iter_raw())
            # Its first frame is here, so its slot is taken.
            assert next(answers[-1]) == b"first"
        refused = world.alice.post("/v1/enclave/messages", content=b"echo")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "2"
        assert "in 2 seconds" in refused.json()["error"]["message"]
        assert world.bob.post("/v1/enclave/messages", content=b"echo").status_code == 200
        world.enclave.peer.meeting.release.set()
        # Whoever has read one answer to its end may ask again.
        assert list(answers[0]) == [b"second"]
        assert world.alice.post("/v1/enclave/messages", content=b"echo").status_code == 200
        assert [list(answer) for answer in answers[1:]] == [[b"second"]] * (len(answers) - 1)


@pytest.mark.parametrize("configured", [True, False])
def test_an_enclave_that_is_away_is_503(tmp_path: Path, configured: bool) -> None:
    url = f"http://127.0.0.1:{free_port()}" if configured else None
    settings = HubSettings(data=tmp_path, enclave_url=url)
    with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as client:
        for answer in (
            client.post("/v1/enclave/messages", content=b"echo"),
            client.get("/v1/enclave/keys"),
            client.get("/v1/enclave/evidence", params={"nonce": NONCE}),
        ):
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "unavailable"
        assert client.get("/healthz").status_code == 200


def test_the_relay_finds_an_enclave_that_comes_back(tmp_path: Path) -> None:
    with RunningEnclave() as first:
        port = httpx.URL(first.url).port
        assert port is not None
        settings = HubSettings(data=tmp_path, enclave_url=first.url)
        hub = RunningHub(settings)
        with hub, hub.client(add_user(settings, "a@example.com")) as client:
            assert client.post("/v1/enclave/messages", content=b"one").content == b"one"
            first.stop()
            assert client.post("/v1/enclave/messages", content=b"two").status_code == 503
            with RunningEnclave(port):
                assert client.post("/v1/enclave/messages", content=b"three").content == b"three"


@pytest.mark.parametrize("word", [b"hang", b"hang-after"])
def test_stopping_the_hub_ends_open_answers_at_once(tmp_path: Path, word: bytes) -> None:
    with RunningEnclave() as enclave:
        settings = HubSettings(data=tmp_path, enclave_url=enclave.url)
        with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as client:
            with ThreadPoolExecutor() as pool:
                pending = pool.submit(client.post, "/v1/enclave/messages", content=word)
                assert enclave.peer.meeting.arrived.wait(PATIENCE)
                hub.stop()
                if word == b"hang":
                    assert pending.result().status_code == 503
                else:
                    with pytest.raises(httpx.RemoteProtocolError):
                        pending.result()
            assert enclave.peer.meeting.asker_left.wait(PATIENCE)


@pytest.mark.parametrize("word", [b"hang", b"hang-after"])
def test_an_enclave_that_gives_no_sign_of_life_is_not_waited_for(tmp_path: Path, word: bytes) -> None:
    with RunningEnclave() as enclave:
        settings = HubSettings(data=tmp_path, enclave_url=enclave.url, silence_seconds=0.2)
        with RunningHub(settings) as hub, hub.client(add_user(settings, "a@example.com")) as client:
            if word == b"hang":
                assert client.post("/v1/enclave/messages", content=word).status_code == 503
            else:
                with pytest.raises(httpx.RemoteProtocolError):
                    client.post("/v1/enclave/messages", content=word)
            assert enclave.peer.meeting.asker_left.wait(PATIENCE)


@pytest.mark.parametrize("url", ["", "enclave", "ftp://enclave", "http://", "http://a:b", "127.0.0.1:80"])
def test_an_enclave_url_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(CloisterError, match="enclave's URL"):
        create_app(HubSettings(data=tmp_path, enclave_url=url))


@contextmanager
def raw_request(world: World, message: bytes, declared: int | None = None) -> Iterator[socket.socket]:
    """A connection on which a request was sent; leaving the block closes it, whatever came back."""
    url = httpx.URL(world.hub.url)
    assert url.port is not None
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(
            b"POST /v1/enclave/messages HTTP/1.1\r\nHost: hub\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s"
            % (world.alice.headers["authorization"].encode(), declared or len(message), message)
        )
        yield connection
