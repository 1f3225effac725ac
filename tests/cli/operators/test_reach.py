"""Why one part doesn't reach another, told in words that help."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.cli.operators.reach import configuration, problem
from cloister.hub.accounts import add_worker
from cloister.hub.settings import HubSettings
from tests.hub.peers import RunningEnclave, RunningHub
from tests.hub.test_server import write_certificate
from tests.ports import free_port


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("reach")
    certificate, key = write_certificate(folder)
    with (
        RunningEnclave() as enclave,
        RunningHub(HubSettings(data=folder / "hub", enclave_url=enclave.url), tls_cert=certificate, tls_key=key) as hub,
    ):
        yield hub


def certificate_of(hub: RunningHub) -> Path:
    return hub.settings.data.parent / "cert.pem"


def test_one_that_answers(hub: RunningHub) -> None:
    assert problem(hub.url, "/healthz", certificate_of(hub)) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://no-such-host.invalid", "no such host"),
        ("http://127.0.0.1:{port}", "nobody listens"),
        ("hub.example.org", "that is no address"),
        ("ftp://127.0.0.1", "that is no address"),
    ],
)
def test_nobody_there(url: str, words: str) -> None:
    assert words in (problem(url.format(port=free_port()), "/healthz") or "")


def test_tls_that_does_not_fit(hub: RunningHub, tmp_path: Path) -> None:
    assert "not the one that is trusted" in (problem(hub.url, "/healthz") or "")
    other, _ = write_certificate(tmp_path)
    assert "not the one that is trusted" in (problem(hub.url, "/healthz", other) or "")
    assert "as HTTP; does it want https" in (problem(hub.url.replace("https", "http"), "/healthz") or "")
    (tmp_path / "none.pem").write_text("")
    assert "can't be used" in (problem(hub.url, "/healthz", tmp_path / "none.pem") or "")
    assert "can't be used" in (problem(hub.url, "/healthz", tmp_path / "missing.pem") or "")


def test_one_that_speaks_no_tls() -> None:
    with RunningEnclave() as plain:
        assert "does not speak TLS" in (problem(plain.url.replace("http", "https"), "/healthz") or "")


def test_another_server_altogether() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "no answer within" in (problem(f"http://127.0.0.1:{silent.getsockname()[1]}", "/healthz") or "")


def test_tokens_are_tried_and_never_shown(hub: RunningHub) -> None:
    certificate = certificate_of(hub)
    assert problem(hub.url, "/v1/enclave/keys", certificate, add_worker(hub.settings, "w")) is None
    wrong = secrets.token_hex(32)
    told = problem(hub.url, "/v1/enclave/keys", certificate, wrong) or ""
    assert "does not accept the token" in told
    assert wrong not in told


def test_the_configuration_as_a_whole(hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(add_worker(hub.settings, "x"))
    (tmp_path / "short").write_text("0")
    file = tmp_path / "cloister.toml"
    file.write_text(
        f'[worker]\nhub = "{hub.url}"\nhub_cert = "{certificate_of(hub)}"\ntoken_file = "token"\n'
        '[hub]\nenclave_url = "http://127.0.0.1:1"\nenclave_secret_file = "short"\n'
    )
    monkeypatch.setenv("CLOISTER_WORKER_WARM", "3")
    found = configuration(file)
    assert found.file == str(file)
    assert {(each.part, each.name): each.source for each in found.settings} == {
        ("worker", "hub"): "file",
        ("worker", "hub_cert"): "file",
        ("worker", "token_file"): "file",
        ("worker", "warm"): "environment",
        ("hub", "enclave_url"): "file",
        ("hub", "enclave_secret_file"): "file",
    }
    assert [(link.name, link.problem is None) for link in found.links] == [
        ("worker to hub", True),
        ("worker's token", True),
        ("hub to enclave", False),
    ]
    assert "32 letters" in (found.links[-1].problem or "")


def test_nothing_is_set() -> None:
    assert configuration(None).links == ()
