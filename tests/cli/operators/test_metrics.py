"""Where metrics are shown: apart from the part itself, closed unless asked for."""

from __future__ import annotations

import socket

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from cloister.cli.operators.metrics import showing, split
from cloister.errors import CloisterError


def get(port: int, path: str, host: str = "127.0.0.1") -> httpx.Response:
    return httpx.get(f"http://{host}:{port}{path}", trust_env=False, timeout=10)


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("things", "Some things.", registry=made).inc(3)
    return made


def test_metrics_and_nothing_else() -> None:
    with showing("127.0.0.1:0", registry()) as port:
        assert "things_total 3.0" in get(port, "/metrics").text
        assert [get(port, path).status_code for path in ("/", "/readyz", "/metrics/..", "/metrics2")] == [404] * 4
    with pytest.raises(httpx.ConnectError):
        get(port, "/metrics")


def test_health_of_parts_without_a_door() -> None:
    ready = False
    with showing(":0", registry(), lambda: ready) as port:
        assert get(port, "/healthz").status_code == 200
        assert get(port, "/readyz").status_code == 503
        ready = True
        assert get(port, "/readyz").status_code == 200


def test_off_unless_asked_for() -> None:
    with showing(None, registry()) as port:
        assert port == 0
    with showing("", registry()) as port:
        assert port == 0


def test_without_a_host_it_is_loopback() -> None:
    assert split(":9100") == ("127.0.0.1", 9100)
    assert split("[::1]:9100") == ("::1", 9100)
    assert split("10.0.0.1:1") == ("10.0.0.1", 1)


@pytest.mark.parametrize("wrong", ["localhost", "localhost:", "h:70000", "h:-1", "h:one"])
def test_what_is_no_address(wrong: str) -> None:
    with pytest.raises(CloisterError, match=r"not HOST:PORT|can't be served"), showing(wrong, registry()):
        pass


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = "can't be served.*Address already in use"
        with pytest.raises(CloisterError, match=words), showing(f"127.0.0.1:{port}", registry()):
            pass


def test_one_that_says_nothing_does_not_keep_others_out() -> None:
    with showing("127.0.0.1:0", registry()) as port, socket.create_connection(("127.0.0.1", port)):
        assert get(port, "/metrics").status_code == 200
