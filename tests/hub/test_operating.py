"""What the hub's operator sees and does: readiness, metrics, and a stop that lets what is under way end."""

from __future__ import annotations

import re
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest

from cloister.hub.accounts import add_user
from cloister.hub.metrics import REGISTRY
from cloister.hub.settings import HubSettings
from cloister.logs import is_request_id

from .peers import PATIENCE, RunningEnclave, RunningHub, fresh_id


@pytest.fixture
def enclave() -> Iterator[RunningEnclave]:
    with RunningEnclave() as running:
        yield running


def metrics() -> dict[str, float]:
    text = generate_latest(REGISTRY).decode()
    found = re.findall(r"^([^#\s]\S*) (\S+)$", text, flags=re.MULTILINE)
    return defaultdict(float, {name: float(value) for name, value in found})


class TestReadiness:
    def test_all_is_there(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        with RunningHub(HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)) as hub, hub.client() as anyone:
            answer = anyone.get("/readyz")
        assert (answer.status_code, answer.json()) == (
            200,
            {"status": "ok", "database": "ok", "blobs": "ok", "enclave": "ok"},
        )

    def test_the_enclave_is_away(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        enclave.stop()
        with RunningHub(HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)) as hub, hub.client() as anyone:
            answer = anyone.get("/readyz")
            assert (answer.status_code, answer.json()) == (
                503,
                {"status": "not ready", "database": "ok", "blobs": "ok", "enclave": "failing"},
            )
            assert anyone.get("/healthz").status_code == 200

    def test_no_enclave_was_named(self, tmp_path: Path) -> None:
        with RunningHub(HubSettings(data=tmp_path / "hub")) as hub, hub.client() as anyone:
            assert anyone.get("/readyz").json()["enclave"] == "failing"

    def test_the_blob_store_is_away(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)
        with RunningHub(settings) as hub, hub.client() as anyone:
            shutil.rmtree(settings.blob_folder)
            answer = anyone.get("/readyz")
            assert (answer.status_code, answer.json()["blobs"]) == (503, "failing")

    def test_asking_often_costs_little(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        """Strangers may ask: the enclave and the store are asked once a second at most."""
        with RunningHub(HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)) as hub, hub.client() as anyone:
            before = len(enclave.peer.queries)
            for _ in range(50):
                anyone.get("/readyz")
            assert len(enclave.peer.queries) - before < 25


class TestMetrics:
    def test_requests_by_route_and_nothing_that_names_anybody(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)
        token, blob, before = add_user(settings, "canary@example.com"), fresh_id(), metrics()
        with RunningHub(settings) as hub, hub.client(token) as alice, hub.client() as nobody:
            alice.get("/v1/me")
            alice.post("/v1/enclave/messages", content=b"echo " + b"x" * 1000)
            alice.get(f"/v1/blobs/{blob}")
            alice.request("CANARY", "/v1/me")
            nobody.get("/v1/me")
            nobody.get(f"/canary/{blob}")
            alice.post("/v1/enclave/messages", content=b"fail")
        after = metrics()
        for name, change in (
            ('cloister_hub_requests_total{method="GET",route="/v1/me",status="200"}', 1),
            ('cloister_hub_requests_total{method="GET",route="/v1/blobs/{blob_id}",status="404"}', 1),
            ('cloister_hub_requests_total{method="GET",route="-",status="401"}', 1),
            ('cloister_hub_requests_total{method="-",route="/v1/me",status="405"}', 1),
            ('cloister_hub_received_bytes_total{route="/v1/enclave/messages"}', 1009),
            ('cloister_hub_request_seconds_count{route="/v1/enclave/messages"}', 2),
            ("cloister_hub_enclave_errors_total", 1),
        ):
            assert after[name] - before[name] == change, name
        assert after["cloister_hub_relayed_open"] == 0
        text = generate_latest(REGISTRY).decode()
        assert "canary" not in text.lower()
        assert blob not in text

    def test_each_answer_has_an_id_of_its_own(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)
        token = add_user(settings, "a@example.com")
        with RunningHub(settings) as hub, hub.client(token) as alice:
            forged = {"X-Request-Id": "0" * 32}
            ids = [alice.get(path, headers=forged).headers["x-request-id"] for path in ("/v1/me", "/healthz", "/none")]
            assert all(is_request_id(each) for each in ids)
            assert len({*ids, "0" * 32}) == 4
            answer = alice.post("/v1/enclave/messages", content=b"echo", headers=forged)
            assert enclave.peer.headers["x-request-id"] == answer.headers["x-request-id"] != "0" * 32


class TestStopping:
    def test_what_is_under_way_may_end(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)
        token = add_user(settings, "a@example.com")
        hub = RunningHub(settings, grace=PATIENCE)
        with (
            hub,
            hub.client(token) as alice,
            hub.client() as balancer,
            alice.stream("POST", "/v1/enclave/messages", content=b"frames") as answer,
        ):
            frames = answer.iter_raw()
            assert next(frames) == b"first"
            hub.server.stop()
            # Still served: what is under way may need more of it. But nobody new should be sent here.
            assert stopping(balancer) == {"status": "stopping"}
            assert alice.get("/v1/me").status_code == 200
            enclave.peer.meeting.release.set()
            assert b"".join(frames) == b"second"

    def test_but_only_so_long(self, enclave: RunningEnclave, tmp_path: Path) -> None:
        settings = HubSettings(data=tmp_path / "hub", enclave_url=enclave.url)
        token = add_user(settings, "a@example.com")
        hub = RunningHub(settings, grace=0.1)
        with (
            hub,
            hub.client(token) as alice,
            alice.stream("POST", "/v1/enclave/messages", content=b"hang-after") as answer,
        ):
            frames = answer.iter_raw()
            assert next(frames) == b"first"
            ending = threading.Thread(target=hub.stop)
            ending.start()
            with pytest.raises(httpx.RemoteProtocolError):
                next(frames)
            ending.join(PATIENCE)
            assert enclave.peer.meeting.asker_left.wait(PATIENCE)


def stopping(balancer: httpx.Client) -> dict[str, str]:
    """What a load balancer hears once the hub has noticed that it is to stop, which takes it a moment."""
    while True:
        answer = balancer.get("/readyz")
        if answer.status_code == 503:
            return {"status": answer.json()["status"]}
