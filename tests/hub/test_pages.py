"""The web pages: what is built is served, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette

from cloister.errors import CloisterError
from cloister.hub import bundle
from cloister.hub.pages import Pages
from cloister.hub.settings import HubSettings

from .peers import PATIENCE, RunningHub

LARGE = bytes(range(256)) * 1000
SCRIPT = b"console.log('cloister');\n" * 100
FRAMED = "document.title = 'framed';"
NAVIGATING = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>built</title>")
    (folder / "assets/index-BqX1_-9a.js").write_bytes(SCRIPT)
    (folder / "assets/index-BqX1_-9a.js.br").write_bytes(b"brotli")
    (folder / "assets/plain-12345678.css").write_bytes(b"body{}")
    (folder / "preview").mkdir()
    (folder / "preview/pdf.html").write_text(f"<!doctype html><title>pdf</title><script>{FRAMED}</script>\n")
    (folder / "preview/bare.html").write_text("<!doctype html><title>bare</title>")
    (folder / "unknown.exe").write_bytes(b"MZ")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "assets/index-BqX1_-9a.js.map").write_text('{"sources": []}')
    (folder.parent / "secret").write_text("secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    return folder


@pytest.fixture(scope="module")
def hub(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    settings = HubSettings(data=tmp_path_factory.mktemp("hub"), ui=built)
    with RunningHub(settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(hub: RunningHub) -> Iterator[httpx.Client]:
    with hub.client() as anybody:
        yield anybody


def test_the_document_under_a_strict_policy(client: httpx.Client) -> None:
    for path in ("/", "/index.html", "/rooms/abc", "/sign-in?problem=away", "/invitation"):
        page = client.get(path, headers=NAVIGATING)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        policy = dict(each.partition(" ")[::2] for each in page.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        for kind in ("script-src", "style-src", "worker-src", "connect-src"):
            assert policy[kind] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-cache"
        # Each said once.
        assert len(page.headers.get_list("content-security-policy")) == len(page.headers.get_list("cache-control")) == 1
    again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def directives(page: httpx.Response) -> dict[str, str]:
    return dict(each.partition(" ")[::2] for each in page.headers["content-security-policy"].split("; "))


def test_results_are_shown_in_a_sandbox_without_a_network(client: httpx.Client) -> None:
    page = client.get("/preview/pdf.html", headers=NAVIGATING)
    digest = base64.b64encode(hashlib.sha256(FRAMED.encode()).digest()).decode()
    assert directives(page) == {
        "sandbox": "allow-scripts",
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "img-src": "blob:",
        "frame-ancestors": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert len(page.headers.get_list("content-security-policy")) == 1
    again = client.get("/preview/pdf.html", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, directives(again)) == (304, directives(page))
    # Without a script none may run.
    assert directives(client.get("/preview/bare.html"))["sandbox"] == "allow-scripts"
    # The pages frame nothing but documents of this hub, and none but those above may be framed.
    index = directives(client.get("/", headers=NAVIGATING))
    assert (index["frame-src"], index["frame-ancestors"]) == ("'self'", "'none'")
    for path in ("/preview/other.html", "/preview/", "/v1/me"):
        assert "frame-ancestors 'none'" in client.get(path).headers["content-security-policy"]


def test_hashed_files_are_kept_for_good_and_sent_compressed(client: httpx.Client) -> None:
    path = "/assets/index-BqX1_-9a.js"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert (plain.content, plain.headers["content-type"]) == (SCRIPT, "text/javascript; charset=utf-8")
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.head(path).headers["content-type"] == "text/javascript; charset=utf-8"
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(packed.iter_raw())) == SCRIPT
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip, br"}) as packed:
        assert (packed.headers["content-encoding"], b"".join(packed.iter_raw())) == ("br", b"brotli")
    assert client.get(path + ".br").status_code == 404
    assert "content-encoding" not in client.get("/assets/plain-12345678.css").headers
    assert client.get("/unknown.exe").headers["content-type"] == "application/octet-stream"
    # In several pieces.
    large = client.get("/large.bin")
    assert (large.content, large.headers["content-length"]) == (LARGE, str(len(LARGE)))
    assert client.head("/large.bin").headers["content-length"] == str(len(LARGE))


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/assets/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/assets/..%2f..%2fsecret",
        "//secret",
        "/link",
        "/assets",
        "/assets/gone-12345678.js",
        "/assets/index-BqX1_-9a.js.map",
        "/favicon.ico",
        "/index.html/",
        "/index.html%00",
    ],
)
def test_nothing_else_is_to_be_had(hub: RunningHub, path: str) -> None:
    parts = urlsplit(hub.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 404
    assert b"secret" not in body


def test_the_interface_stays_as_it_is(client: httpx.Client) -> None:
    assert client.get("/healthz", headers=NAVIGATING).json() == {"status": "ok"}
    for path, status in (("/v1/me", 401), ("/v1/whatever", 401), ("/auth/whatever", 404), ("/.well-known/x", 404)):
        answer = client.get(path, headers=NAVIGATING)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cache-control"] == "no-store"
    assert client.post("/").status_code == 404


def test_without_pages_one_explains(tmp_path: Path) -> None:
    with pytest.raises(CloisterError, match=r"index\.html is missing"):
        bundle.load(tmp_path)

    async def answers(*paths: str) -> list[httpx.Response]:
        without = httpx.ASGITransport(Pages(Starlette(), None))
        async with httpx.AsyncClient(transport=without, base_url="http://hub") as client:
            return [await client.get(path, headers=NAVIGATING) for path in paths]

    page, other = asyncio.run(answers("/", "/rooms"))
    assert "no web pages" in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert other.status_code == 404


def test_the_digest_is_of_what_sha256sum_says(built: Path) -> None:
    found = bundle.load(built)
    (built.parent / "manifest").write_text(found.manifest)
    subprocess.run(["sha256sum", "--check", "--strict", "../manifest"], cwd=built, check=True, capture_output=True)
    assert found.digest == hashlib.sha256((built.parent / "manifest").read_bytes()).hexdigest()
    assert "link" not in found.manifest
    assert "index-BqX1_-9a.js.br" in found.manifest
    assert "index-BqX1_-9a.js.map" in found.manifest, "it is in the folder, though it is not served"
