"""The web pages of this installation on loopback, against a hub elsewhere (docs/adr/0031).

A browser here gets pages from this process alone, and reaches the hub through it. Whoever has another page open, or
another program on this machine, must not come along:

1. Requests name this process by a host that nobody else knows and nothing else answers to (DNS rebinding, ports).
2. They carry a cookie that only an address gives that its user was told: to one browser, once.
3. What is passed on comes from the pages themselves, by the browser's own word.

The hub's cookie stays in here; the browser never has it.

While this process isn't there, somebody else may have its port, and leave something in the browser for later. So what a
browser has stored of pages is thrown away when it is let in, and what answers in their place (a service worker) is told
to go. What a page of theirs that is still open does can't be helped.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from cloister.hub import browsers
from cloister.hub.bundle import Bundle
from cloister.hub.pages import Pages, is_api
from cloister.hub.problems import Problem, forbidden, not_found, unavailable
from cloister.hub.settings import HubSettings

_COOKIE = "cloister-ui"
_OPEN = "/open/"
_SENT = ("accept", "authorization", "content-digest", "content-length", "content-type")
_ANSWERED = ("allow", "content-digest", "content-length", "content-type", "retry-after", "x-request-id")
_NO_WORKER = """// The pages have no service worker. One that is there was left by somebody else.
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(gone()));

async function gone() {
  await registration.unregister();
  for (const page of await clients.matchAll({ type: "window" })) {
    await page.navigate(page.url).catch(() => {});
  }
}
"""
_STRICT = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class OwnPages:
    """The ASGI application. `address` is what its user opens."""

    def __init__(
        self,
        bundle: Bundle,
        hub: str,
        host: str,
        *,
        token: str | None,
        http: httpx.AsyncClient,
        renewed: Callable[[], object],
    ) -> None:
        """
        Args:
            hub: its URL.
            host: how browsers name this process, with the port.
            token: shown to the hub for pages that show nothing: who is logged in on this machine need not sign in.
            http: reaches the hub; it keeps the hub's cookies.
            renewed: called when a browser was let in: `address` is another one then.
        """
        self._hub = hub.rstrip("/")
        self._host = host
        self._token = token
        self._http = http
        self._renewed = renewed
        self._opening, self._cookie = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        # How browsers are asked and told is the same as at a hub of that address.
        self._like = HubSettings(data=Path(), public_url=f"http://{host}")
        self._pages = Pages(self._pass_on, bundle)

    @property
    def address(self) -> str:
        """With a secret in it: for the user's own browser, once."""
        return f"http://{self._host}{_OPEN}{self._opening}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        try:
            answer = self._opened(scope)
            if answer is None:
                await self._pages(scope, receive, send)
                return
        except Problem as problem:
            answer = problem.response()
        await self._strictly(answer)(scope, receive, send)

    def _opened(self, scope: Scope) -> Response | None:
        """None where the request may come in; else what to say."""
        if browsers.header(scope, "host") != self._host:
            raise Problem(421, "misdirected", "This address is not the one that `cloister ui` has printed.")
        if browsers.header(scope, "service-worker") == "script":
            return Response(_NO_WORKER, media_type="text/javascript", headers={"Service-Worker-Allowed": "/"})
        path = scope["path"]
        if path.startswith(_OPEN) and scope["method"] == "GET":
            shown = path.removeprefix(_OPEN).encode()
            if hmac.compare_digest(shown, self._opening.encode()):
                # Whoever else gets to know it, on its way or later, can't use it any more.
                self._opening = secrets.token_urlsafe(32)
                self._renewed()
                return self._let_in({"Set-Cookie": browsers.set_cookie(scope, self._like, _COOKIE, self._cookie)})
        shown = (browsers.cookie(scope, self._like, _COOKIE) or "").encode()
        if not hmac.compare_digest(shown, self._cookie.encode()):
            raise forbidden(
                "Open the address that `cloister ui` has printed last: each lets one browser in, once. If somebody "
                "else has used one, end `cloister ui`."
            )
        if path.startswith(_OPEN):
            # Opened again, by the browser that it has let in.
            return self._let_in({})
        if is_api(path):
            browsers.require_own_page(scope, self._like, by_cookie=True)
        return None

    def _let_in(self, headers: dict[str, str]) -> Response:
        return RedirectResponse("/", status_code=303, headers={"Clear-Site-Data": '"cache"', **headers})

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._asked(Request(scope, receive))
        except Problem as problem:
            answer = problem.response()
        await self._strictly(answer)(scope, receive, send)

    async def _asked(self, request: Request) -> Response:
        path = request.url.path
        if not is_api(path) or path.startswith("/auth/provider"):
            raise not_found(
                "This is not to be had through `cloister ui`. To sign in at a provider, do so at the hub, make an API "
                "token there, and say `cloister login`: `cloister ui` uses it."
            )
        headers = {name: request.headers[name] for name in _SENT if name in request.headers}
        if self._token is not None:
            headers.setdefault("authorization", f"Bearer {self._token}")
        # It was made sure of above.
        headers["sec-fetch-site"] = "same-origin"
        raw = request.scope.get("raw_path", path.encode()).decode("ascii").partition("?")[0]
        url = f"{self._hub}{raw}" + (f"?{request.url.query}" if request.url.query else "")
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        asked = self._http.build_request(
            request.method, url, headers=headers, content=_body(request) if has_body else None
        )
        try:
            found = await self._http.send(asked, stream=True)
        except httpx.HTTPError:
            raise unavailable(f"The hub at {self._hub} can't be reached. Try again in a moment.") from None
        kept = {name: found.headers[name] for name in _ANSWERED if name in found.headers}
        return StreamingResponse(
            found.aiter_raw(), found.status_code, headers=kept, background=BackgroundTask(found.aclose)
        )

    def _strictly(self, answer: Response) -> Response:
        answer.headers.update(_STRICT)
        return answer


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece
