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

from cloister.cli.users.session import store
from cloister.hub import bundle
from cloister.hub.accounts import add_user, set_password
from cloister.hub.settings import HubSettings
from cloister.sdk.folder import StateFolder
from tests.hub.peers import PATIENCE, RunningEnclave, RunningHub

EMAIL, PASSWORD = "alice@example.com", "correct horse battery"
OWN = {"Sec-Fetch-Site": "same-origin"}
FOREIGN = ("CLOISTER_URL", "CLOISTER_TOKEN", "DECENTRIQ_HOST")
"""What the environment of whoever runs the tests may say of hubs."""


@dataclass(frozen=True)
class Running:
    """The pages as a process."""

    process: subprocess.Popen[str]
    host: str
    client: httpx.Client
    """Reaches it as a browser does, on its pages."""
    openings: list[str]
    """The paths with a secret that it has printed."""

    def next_opening(self) -> str:
        """Waits for another one."""
        assert self.process.stdout is not None
        self.openings.append(urlsplit(self.process.stdout.readline().strip()).path)
        return self.openings[-1]


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


def started(
    pages: Path, url: str, home: Path, stderr: int = subprocess.DEVNULL, **environment: str
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cloister.cli", "ui", "--hub", url, "--port", "0", "--pages", str(pages)]
    mine = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return subprocess.Popen(
        command,
        env=mine | {"CLOISTER_HOME": str(home)} | environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def reach(process: subprocess.Popen[str]) -> Running:
    assert process.stdout is not None
    parts = urlsplit(process.stdout.readline().strip())
    headers = {"Host": parts.netloc, **OWN}
    client = httpx.Client(base_url=f"http://127.0.0.1:{parts.port}", headers=headers, timeout=PATIENCE, trust_env=False)
    return Running(process, parts.netloc, client, [parts.path])


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(PATIENCE)
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="module")
def running(pages: Path, hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    process = started(pages, hub.url, tmp_path_factory.mktemp("home"))
    reached = reach(process)
    yield reached
    reached.client.close()
    end(process)


def let_in(running: Running) -> dict[str, str]:
    opened = running.client.get(running.openings[-1])
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    running.next_opening()
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
    assert get(running.openings[-1], headers={"Host": "evil.example"}).status_code == 421
    for site in ("cross-site", "same-site"):
        assert get("/v1/me", headers=cookie | {"Sec-Fetch-Site": site}).status_code == 403
    assert get("/auth/provider", headers=cookie).status_code == 404
    assert get("/whatever.js", headers=cookie).status_code == 404


def test_an_address_lets_in_one_browser_once(running: Running) -> None:
    opening = running.openings[-1]
    get = running.client.get
    # Asking what is there uses nothing up.
    assert running.client.head(opening).status_code == 403
    cookie = let_in(running)
    # Somebody has listened, or has found it in a history.
    stolen = get(opening)
    assert (stolen.status_code, "set-cookie" in stolen.headers) == (403, False)
    # The browser that was let in has loaded it again.
    again = get(opening, headers=cookie)
    assert (again.status_code, again.headers["location"], "set-cookie" in again.headers) == (303, "/", False)
    assert "mine" in get("/", headers=cookie).text
    # Another browser has an address of its own.
    assert running.openings[-1] != opening
    assert "mine" in get("/", headers=let_in(running)).text


def test_browsers_that_look_at_the_other_address_find_the_same(running: Running) -> None:
    port = int(running.host.rpartition(":")[2])
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("This machine has no [::1].")
    headers = {"Host": running.host, **let_in(running)}
    assert "mine" in httpx.get(f"http://[::1]:{port}/", headers=headers, trust_env=False).text


def test_what_others_have_left_in_the_browser_is_told_to_go(running: Running) -> None:
    opening = running.openings[-1]
    opened = running.client.get(opening)
    running.next_opening()
    assert opened.headers["clear-site-data"] == '"cache"'
    asked = running.client.get("/left/by/others.js", headers={"Service-Worker": "script"})
    assert (asked.status_code, asked.headers["service-worker-allowed"]) == (200, "/")
    assert asked.headers["content-type"].startswith("text/javascript")
    assert "registration.unregister()" in asked.text
    evil = {"Service-Worker": "script", "Host": "evil.example"}
    assert running.client.get("/left/by/others.js", headers=evil).status_code == 421


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
        process = started(pages, hub.url, tmp_path, CLOISTER_TOKEN=token)
        reached = reach(process)
        cookie = let_in(reached)
        assert reached.client.get("/v1/me", headers=cookie).json() == {"email": EMAIL}
        names.add(reached.host.partition(":")[0])
        secrets.add(reached.openings[0])
        reached.client.close()
        end(process)
    assert (len(names), len(secrets)) == (1, 2)


def test_a_token_goes_to_its_own_hub_alone(pages: Path, hub: RunningHub, tmp_path: Path) -> None:
    """Whoever tries another hub's address doesn't hand over what the environment holds for theirs."""
    token = add_user(hub.settings, EMAIL)
    said = f"CLOISTER_TOKEN is for another hub, and isn't sent to {hub.url}."
    theirs = "https://hub.example.org"
    home, logged_in = tmp_path / "home", tmp_path / "logged-in"
    store(StateFolder(logged_in), theirs, EMAIL, "x", None)
    for folder, environment, mine in (
        (home, {"CLOISTER_URL": theirs}, False),
        (home, {"DECENTRIQ_HOST": "hub.example.org"}, False),
        (home, {"CLOISTER_URL": hub.url + "/"}, True),
        (home, {}, True),
        (logged_in, {}, False),
        (logged_in, {"CLOISTER_URL": hub.url}, True),
    ):
        process = started(pages, hub.url, folder, subprocess.PIPE, CLOISTER_TOKEN=token, **environment)
        reached = reach(process)
        answer = reached.client.get("/v1/me", headers=let_in(reached))
        assert answer.status_code == (200 if mine else 401), environment
        reached.client.close()
        process.terminate()
        assert (said in process.communicate(timeout=PATIENCE)[1]) is not mine


def test_what_is_said_on_this_machine_passes_no_proxy(pages: Path, hub: RunningHub, tmp_path: Path) -> None:
    # Nobody listens there: what is sent to it fails.
    with socket.create_server(("127.0.0.1", 0)) as gone:
        proxy = f"http://127.0.0.1:{gone.getsockname()[1]}"
    token = add_user(hub.settings, EMAIL)
    environment = {"CLOISTER_TOKEN": token, "HTTP_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": "", "no_proxy": ""}
    process = started(pages, hub.url, tmp_path, subprocess.DEVNULL, **environment)
    reached = reach(process)
    assert reached.client.get("/v1/me", headers=let_in(reached)).json() == {"email": EMAIL}
    reached.client.close()
    end(process)


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
