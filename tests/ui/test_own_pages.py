"""`cloister ui` in Chromium: what somebody else has left in the browser, while they had its port, is gone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from .people import PATIENCE_MS

NOBODY = "http://127.0.0.1:9"
"""Where no hub is: none is asked."""
_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("CLOISTER_", "DECENTRIQ_"))}
_PAGE = b"<!doctype html><title>theirs</title>"
_WORKER = b"""
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate") {
    const headers = { "Content-Type": "text/html" };
    event.respondWith(new Response("<!doctype html><title>theirs</title>", { headers }));
  }
});
"""
_REGISTER = """() => new Promise((done) => {
  navigator.serviceWorker.addEventListener("controllerchange", () => done());
  navigator.serviceWorker.register("/deep/below/worker.js", { scope: "/" });
})"""


class _Theirs(BaseHTTPRequestHandler):
    """What somebody else who listens there tells a browser, for as long as it will believe it."""

    def do_GET(self) -> None:
        worker = self.path.endswith(".js")
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if worker else "text/html")
        self.send_header("Cache-Control", "max-age=31536000, immutable")
        self.send_header("Service-Worker-Allowed", "/")
        self.end_headers()
        self.wfile.write(_WORKER if worker else _PAGE)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def theirs(port: int) -> Iterator[None]:
    """Somebody else has the port."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Theirs) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield
        server.shutdown()
        serving.join()


@contextlib.contextmanager
def mine(folder: Path, port: int = 0) -> Iterator[str]:
    """`cloister ui` runs: the address that it has printed."""
    pages = folder / "dist"
    pages.mkdir(exist_ok=True)
    (pages / "index.html").write_text("<!doctype html><title>mine</title>")
    command = [sys.executable, "-m", "cloister.cli", "ui", "--hub", NOBODY, "--port", str(port), "--pages", str(pages)]
    environment = _ENVIRONMENT | {"CLOISTER_HOME": str(folder / "home")}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.mark.parametrize("left", ["what is stored", "a service worker"])
def test_what_others_have_left_is_gone(left: str, browser: Browser, tmp_path: Path) -> None:
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        with mine(tmp_path) as address:
            page.goto(address)
            expect(page).to_have_title("mine")
        place = urlsplit(address)
        assert place.port
        with theirs(place.port):
            # A tab that is still open, say, asks for its page again.
            page.goto(f"http://{place.netloc}/")
            expect(page).to_have_title("theirs")
            if left == "a service worker":
                page.evaluate(_REGISTER)
        page.goto("about:blank")
        with mine(tmp_path, place.port) as address:
            page.goto(address)
            expect(page).to_have_title("mine")
            page.reload()
            expect(page).to_have_title("mine")
            assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
