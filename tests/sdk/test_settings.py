"""Where the hub is, and what the user has allowed."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cloister
from cloister.errors import BadRequestError, CloisterError
from cloister.sdk.settings import hub_url, software_allowed, state_folder
from cloister.wire.hub import is_loopback


@pytest.mark.parametrize(
    ("environ", "arguments", "url"),
    [
        ({"CLOISTER_URL": "https://hub.example/"}, {}, "https://hub.example"),
        ({"CLOISTER_URL": "https://hub.example/cloister/"}, {}, "https://hub.example/cloister"),
        ({"CLOISTER_URL": "http://127.0.0.1:8642"}, {}, "http://127.0.0.1:8642"),
        ({"CLOISTER_URL": "http://[::1]:8642"}, {}, "http://[::1]:8642"),
        ({"CLOISTER_URL": "https://a", "DECENTRIQ_HOST": "b"}, {}, "https://a"),
        ({"CLOISTER_URL": "https://a:1"}, {"port": 2}, "https://a:2"),
        ({"CLOISTER_URL": "http://localhost:1"}, {"use_tls": True}, "https://localhost:1"),
        ({"CLOISTER_URL": "https://a:1"}, {"host": "b"}, "https://b"),
        ({"DECENTRIQ_HOST": "hub.example"}, {}, "https://hub.example"),
        ({"DECENTRIQ_HOST": "hub.example", "DECENTRIQ_PORT": "8443"}, {}, "https://hub.example:8443"),
        (
            {"DECENTRIQ_HOST": "127.0.0.1", "DECENTRIQ_PORT": "80", "DECENTRIQ_USE_TLS": "false"},
            {},
            "http://127.0.0.1",
        ),
        (
            {"DECENTRIQ_HOST": "127.0.0.1", "DECENTRIQ_PORT": "8642", "DECENTRIQ_USE_TLS": "False"},
            {},
            "http://127.0.0.1:8642",
        ),
        ({"DECENTRIQ_HOST": "a", "DECENTRIQ_USE_TLS": "true"}, {"port": 1}, "https://a:1"),
        ({"DECENTRIQ_HOST": "a", "DECENTRIQ_PORT": "1"}, {"host": "b"}, "https://b:1"),
        ({}, {"host": "localhost", "port": 1, "use_tls": False}, "http://localhost:1"),
        ({}, {"host": "::1", "port": 1}, "https://[::1]:1"),
    ],
)
def test_the_hub_is_found(environ: dict[str, str], arguments: dict[str, object], url: str) -> None:
    assert hub_url(environ, **arguments) == url  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"CLOISTER_URL": "hub.example"},
        {"CLOISTER_URL": "127.0.0.1:8642"},
        {"CLOISTER_URL": "ftp://hub.example"},
        {"CLOISTER_URL": "https://"},
        {"CLOISTER_URL": "https://user:secret@hub.example"},
        {"CLOISTER_URL": "https://hub.example/?token=secret"},
        {"CLOISTER_URL": "https://hub.example:port"},
        {"DECENTRIQ_HOST": "hub.example", "DECENTRIQ_PORT": "https"},
        {"DECENTRIQ_HOST": "hub.example", "DECENTRIQ_PORT": "70000"},
        {"DECENTRIQ_HOST": "hub.example", "DECENTRIQ_PORT": "-1"},
    ],
)
def test_what_can_not_be_read_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(CloisterError, match=r"CLOISTER_URL|DECENTRIQ_PORT") as caught:
        hub_url(environ)
    assert "secret" not in str(caught.value)


def test_plain_http_beyond_this_machine_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="without TLS"):
        hub_url({"CLOISTER_URL": "http://hub.example"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hub_url({"CLOISTER_URL": "http://127.0.0.7"})


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@given(value=st.text())
def test_software_is_allowed_by_nothing_but_one(value: str) -> None:
    assert software_allowed({"CLOISTER_TRUST_SOFTWARE_ENCLAVE": value}) is (value == "1")


def test_the_state_folder() -> None:
    assert state_folder({"CLOISTER_HOME": "/c", "XDG_STATE_HOME": "/x"}) == Path("/c")
    assert state_folder({"XDG_STATE_HOME": "/x"}) == Path("/x/cloister")
    assert state_folder({}) == Path.home() / ".local/state/cloister"


def test_a_client_is_made_without_a_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path))
    monkeypatch.delenv("CLOISTER_URL", raising=False)
    monkeypatch.setenv("DECENTRIQ_HOST", "127.0.0.1")
    with cloister.create_client(
        "alice@example.org", "secret-token", client_id="x", api_port=1, request_timeout=5
    ) as client:
        assert repr(client) == "Client('alice@example.org', 'https://127.0.0.1:1')"
        assert client.user_email == "alice@example.org"
        key = client.device_key
    with cloister.create_client(
        "alice@example.org", "secret-token", api_port=1, unsafe_disable_known_root_ca_check=True
    ) as client:
        assert client.device_key == key


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_is_a_time(seconds: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOISTER_HOME", str(tmp_path))
    with pytest.raises(BadRequestError, match="request_timeout"):
        cloister.create_client("alice@example.org", "secret-token", api_host="localhost", request_timeout=seconds)


def test_the_face_has_what_it_says() -> None:
    for name in cloister.__all__:
        assert getattr(cloister, name) is not None
    assert dir(cloister) == sorted(cloister.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cloister.nothing


def test_it_needs_nothing_of_a_server() -> None:
    code = (
        "import sys, cloister.analytics, cloister; cloister.create_client; "
        "print(*{'joserfc', 'fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'obstore'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"


def test_errors_do_not_load_the_client() -> None:
    code = "import sys, cloister.errors; print('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
