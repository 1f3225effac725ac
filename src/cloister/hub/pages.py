"""Serves the web pages: what is in the bundle, and nothing else, under a strict policy.

Everything that is no page goes on to the application behind it. A path without an ending that a browser goes to is one
of the pages' own, and gets the one document there is.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cloister.hub.browsers import header
from cloister.hub.bundle import INDEX, Asset, Bundle
from cloister.hub.limits import send_steadily

API = ("/v1", "/auth", "/.well-known", "/healthz", "/readyz", "/openapi.json")
"""What is not for pages: these paths, and all below them."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        # Previews of results. No other document of this hub lets itself be framed.
        "frame-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types default cloister",
    )
)
"""The Content-Security-Policy of the pages."""

_FRAME = re.compile(r"preview/[a-z]+\.html")
"""Documents that a result is shown in: see `frame_policy`."""
_SCRIPT = re.compile(rb"<script>(.*)</script>", re.DOTALL)
_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"
_NO_BUNDLE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Cloister</title>
<h1>Cloister</h1>
<p>This is a hub of Cloister, a data clean room. It has no web pages: they were not built into this installation.</p>
<p>Use the command line, <code>cloister --help</code>, or the SDK for Python. Whoever runs this hub gets pages from a
release's wheel, or from a checkout where they were built (<code>ui/dist</code>), or names them with the setting
<code>ui</code>.</p>
</html>
"""


@dataclass(frozen=True)
class _Route:
    """What the log calls these requests."""

    path: str = "/{page}"


def frame_policy(document: bytes) -> str:
    """The Content-Security-Policy of a document that a result is shown in.

    Whatever the result does to the browser's readers of pictures and PDFs happens in an origin of its own: it reaches
    no cookie, no storage, no page of the hub's, and no network. The one script there is stands in the document itself:
    to a document without an origin, the hub's files are somebody else's.
    """
    found = _SCRIPT.search(document)
    digest = base64.b64encode(hashlib.sha256(found[1] if found else b"").digest()).decode()
    return "; ".join(
        (
            "sandbox allow-scripts",
            "default-src 'none'",
            f"script-src 'sha256-{digest}'",
            "img-src blob:",
            "frame-ancestors 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


class _Page(Response):
    """Anybody may ask for it: so it isn't left in memory for readers who take their time."""

    def __init__(self, content: bytes, status: int, *, headers: dict[str, str], pace: tuple[float, float]) -> None:
        super().__init__(content, status, headers=headers)
        self._content = content
        self._pace = pace

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send_steadily(send, self._content, *self._pace)


class Pages:
    """A layer in front of an application."""

    def __init__(
        self, app: ASGIApp, bundle: Bundle | None, idle_seconds: float = 60.0, slowest_bytes: float = 1024.0
    ) -> None:
        """``idle_seconds``, ``slowest_bytes``: as of `send_steadily`, for whoever takes a page slowly."""
        self._app = app
        self._bundle = bundle
        self._pace = (idle_seconds, slowest_bytes)
        assets = {} if bundle is None else bundle.assets
        self._frames = {
            asset.sha256: frame_policy(asset.content) for name, asset in assets.items() if _FRAME.fullmatch(name)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or is_api(scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = await self._answer(scope)
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _Route()
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response | None:
        path = scope["path"].removeprefix("/")
        if self._bundle is None:
            if path:
                return None
            return self._response(_NO_BUNDLE, "text/html; charset=utf-8", {"Cache-Control": "no-store"})
        asset = self._bundle.assets.get(path or INDEX)
        if asset is None and _is_place(path) and "text/html" in (header(scope, "accept") or ""):
            asset = self._bundle.assets[INDEX]
        return None if asset is None else await self._serve(asset, scope)

    async def _serve(self, asset: Asset, scope: Scope) -> Response:
        tag = f'"{asset.sha256}"'
        headers = {
            "Cache-Control": _FOREVER if asset.hashed else _ASK,
            "ETag": tag,
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": self._frames.get(asset.sha256, POLICY),
        }
        if tag in (header(scope, "if-none-match") or ""):
            return self._response(b"", asset.media_type, headers, 304)
        takes = {each.partition(";")[0].strip() for each in (header(scope, "accept-encoding") or "").split(",")}
        if "br" in takes and asset.brotli is not None:
            return self._response(asset.brotli, asset.media_type, headers | {"Content-Encoding": "br"})
        if "gzip" in takes:
            packed = await run_in_threadpool(partial(getattr, asset, "gzip"))
            if packed is not None:
                return self._response(packed, asset.media_type, headers | {"Content-Encoding": "gzip"})
        return self._response(asset.content, asset.media_type, headers)

    def _response(self, content: bytes, media_type: str, headers: dict[str, str], status: int = 200) -> Response:
        strict = {
            "Content-Security-Policy": POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Type": media_type,
        }
        return _Page(content, status, headers=strict | headers, pace=self._pace)


def is_api(path: str) -> bool:
    """Whether it is the interface's, never a page's."""
    return any(path == each or path.startswith(f"{each}/") for each in API)


def _is_place(path: str) -> bool:
    return "." not in path.rpartition("/")[2] and not path.startswith("assets/")
