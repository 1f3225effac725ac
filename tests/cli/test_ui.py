"""`cloister ui`: its own pages against a hub elsewhere, for one browser alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from cloister.hub import bundle
from cloister.hub.accounts import add_user, set_password
from cloister.hub.settings import HubSettings
from tests.hub.peers import PATIENCE, RunningEnclave, RunningHub

EMAIL, PASSWORD = "alice@example.com", "correct horse battery"
OWN = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Running:
    """The pages as a process."""

    opening: str
    """The path with the secret."""
    host: str
    client: httpx.Client
    """Reaches it as a browser does, on its pages."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    (folder / "index.html").write_text("<!doctype html><title>mine</title>")
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with RunningEnclave() as enclave:
        settings = HubSettings(data=tmp_path_factory.mktemp("hub"), enclave_url=enclave.url)
        set_password(settings, EMAIL, PASSWORD)
        with RunningHub(settings) as running:
            yield running


def started(pages: Path, hub: RunningHub, home: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cloister.cli", "ui", "--hub", hub.url, "--port", "0", "--pages", str(pages)]
    return subprocess.Popen(
        command,
        env=os.environ | {"CLOISTER_HOME": str(home)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def reach(process: subprocess.Popen[str]) -> Running:
    assert process.stdout is not None
    parts = urlsplit(process.stdout.readline().strip())
    headers = {"Host": parts.netloc, **OWN}
    client = httpx.Client(base_url=f"http://127.0.0.1:{parts.port}", headers=headers, timeout=PATIENCE, trust_env=False)
    return Running(parts.path, parts.netloc, client)


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(PATIENCE)
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="module")
def running(pages: Path, hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    process = started(pages, hub, tmp_path_factory.mktemp("home"))
    reached = reach(process)
    yield reached
    reached.client.close()
    end(process)


def let_in(running: Running) -> dict[str, str]:
    opened = running.client.get(running.opening)
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    running.client.cookies.clear()
    return {"Cookie": cookie.partition(";")[0]}


def test_only_the_browser_that_was_let_in_gets_anything(running: Running) -> None:
    cookie = let_in(running)
    get = running.client.get
    assert "mine" in get("/", headers=cookie).text
    assert get("/v1/me", headers=cookie).status_code == 401
    for path in ("/", "/v1/me", "/open/wrong", "/healthz"):
        assert get(path).status_code == 403
        for host in (
            "127.0.0.1",
            f"localhost:{running.host.rpartition(':')[2]}",
            "evil.example",
            running.host + ".evil",
        ):
            assert get(path, headers=cookie | {"Host": host}).status_code == 421
    assert get(running.opening, headers={"Host": "evil.example"}).status_code == 421
    for site in ("cross-site", "same-site"):
        assert get("/v1/me", headers=cookie | {"Sec-Fetch-Site": site}).status_code == 403
    assert get("/auth/provider", headers=cookie).status_code == 404
    assert get("/whatever.js", headers=cookie).status_code == 404


def test_the_hubs_session_stays_with_the_process(running: Running) -> None:
    cookie = let_in(running)
    welcome = running.client.post("/auth/password", json={"email": EMAIL, "password": PASSWORD}, headers=cookie)
    assert (welcome.status_code, "set-cookie" in welcome.headers) == (200, False)
    assert running.client.get("/v1/me", headers=cookie).json() == {"email": EMAIL}
    made = running.client.post("/v1/tokens", json={"description": "x"}, headers=cookie)
    assert made.status_code == 201
    assert made.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    echoed = running.client.post("/v1/enclave/messages", content=b"echo " + b"x" * 100_000, headers=cookie)
    assert len(echoed.content) == 100_005
    page = running.client.get("/", headers=cookie).headers["content-security-policy"]
    assert "script-src 'self'" in page
    assert running.client.delete("/v1/session", headers=cookie).status_code == 204
    assert running.client.get("/v1/me", headers=cookie).status_code == 401


def test_who_is_logged_in_here_is_so_there_at_the_same_address_each_time(
    pages: Path, hub: RunningHub, tmp_path: Path
) -> None:
    names, secrets = set(), set()
    token = add_user(hub.settings, EMAIL)
    for _ in range(2):
        process = started(pages, hub, tmp_path, CLOISTER_TOKEN=token)
        reached = reach(process)
        cookie = let_in(reached)
        assert reached.client.get("/v1/me", headers=cookie).json() == {"email": EMAIL}
        names.add(reached.host.partition(":")[0])
        secrets.add(reached.opening)
        reached.client.close()
        end(process)
    assert (len(names), len(secrets)) == (1, 2)


def test_the_digest_is_that_of_the_pages(pages: Path) -> None:
    def said(option: str) -> str:
        command = [sys.executable, "-m", "cloister.cli", "ui", option, "--pages", str(pages)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said("--digest").strip() == bundle.load(pages).digest
    assert said("--manifest") == bundle.load(pages).manifest


def test_a_port_that_is_taken(pages: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ["--hub", "http://127.0.0.1:1", "--port", port, "--pages", str(pages)]
        refused = subprocess.run(
            [sys.executable, "-m", "cloister.cli", "ui", *options],
            env=os.environ | {"CLOISTER_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"cloister: These pages can't listen on 127.0.0.1 port {port}: Address already in use." in refused.stderr
