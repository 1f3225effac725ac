"""People at their browsers: each with a browser of their own, in which nothing may go wrong unnoticed."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, WebError, expect

from cloister.cli.operators.layout import Layout
from cloister.hub import accounts
from tests.attacks.recorder import Recorder
from tests.installation import Installation
from tests.pages import AXE

PASSWORD = "correct horse battery"
SIZE = {"width": 1280, "height": 800}
PATIENCE_MS = 30_000.0
"""How long a person waits for what a page shows: others keep the machine busy."""
CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)

# Before any script of the page: what its policy has stopped, as something that is said like other errors.
_LISTEN = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`stopped by the policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""
_AXE_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations
    .filter((each) => each.impact === "serious" || each.impact === "critical")
    .map((each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => node.html).join(" ").slice(0, 600)}`);
}"""
_TRUST = """() => new Promise((done, failed) => {
  const opening = indexedDB.open("cloister");
  opening.onerror = () => failed(opening.error);
  opening.onsuccess = () => {
    const change = opening.result.transaction("settings", "readwrite");
    change.objectStore("settings").put(true, "allow-software");
    change.oncomplete = () => { opening.result.close(); done(); };
    change.onerror = () => failed(change.error);
  };
})"""
# Chromium says so of every answer from 400 on. What the hub's interface answers is for the page to tell its user.
_ANSWERED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
_INTERFACE = re.compile(r"/(v1|auth)(/|$)")


@dataclass
class Person:
    """Somebody with a browser: a context with cookies, storage and a device key of its own."""

    email: str
    url: str
    context: BrowserContext
    page: Page
    """The first tab."""
    pictures: Path | None
    """Where pictures for the documents go, if they are taken."""
    complaints: list[str] = field(default_factory=list)
    """What no page may cause: errors on the console and uncaught, what the policy has stopped, requests elsewhere."""
    requests: list[Request] = field(default_factory=list)
    """All that the pages, and their workers, have asked for."""
    recorder: Recorder | None = None
    """Has all that was said between this browser and the hub, where that was asked for."""
    _allowed: list[re.Pattern[str]] = field(default_factory=list)

    def goes_to(self, path: str = "/") -> Page:
        """Opens a path of the pages in the first tab."""
        self.page.goto(self.url + path)
        return self.page

    def signs_in(self, password: str = PASSWORD) -> None:
        """As the sign-in page does, but without it. The next page that is opened is that of somebody who is there."""
        answer = self.context.request.post(
            f"{self.url}/auth/password",
            data={"email": self.email, "password": password},
            headers={"Origin": self.url, "Sec-Fetch-Site": "same-origin"},
        )
        assert answer.ok, answer.text()

    def trusts_software(self) -> None:
        """Allows enclaves that nothing protects in this browser, as the settings do, but without them."""
        page = self.goes_to("/")
        expect(page.get_by_text(self.email).first).to_be_visible()
        page.evaluate(_TRUST)

    def expects(self, complaint: str) -> None:
        """A complaint that matches this pattern is part of the test: it is none."""
        self._allowed.append(re.compile(complaint))

    def finds_it_accessible(self, page: Page | None = None) -> None:
        """axe-core has nothing serious to say about the page (WCAG 2 and best practices) as it is now."""
        page = page or self.page
        page.evaluate(AXE.read_text())
        found = page.evaluate(_AXE_RUN)
        assert not found, f"{page.url}:\n" + "\n".join(found)

    def takes_picture(self, name: str, page: Page | None = None, **more: Any) -> None:
        """Puts ``name.png`` among the documents' pictures, where they are taken (`make pictures`).

        Args:
            more: as of Playwright's ``screenshot``: a ``clip``, ``mask`` for what is another each time.
        """
        if self.pictures is not None:
            page = page or self.page
            page.screenshot(
                path=self.pictures / f"{name}.png", animations="disabled", caret="hide", scale="css", **more
            )

    def sees(self) -> str:
        """What all tabs show, as a screen reader has it, and what was complained about."""
        shown = []
        for page in self.context.pages:
            with contextlib.suppress(Error):
                shown.append(f"{page.url}\n{page.locator('body').aria_snapshot(timeout=1000)}")
        return "\n\n".join([*shown, *self.complaints])

    def unexpected(self) -> list[str]:
        """All complaints that the test hasn't asked for."""
        return [each for each in self.complaints if not any(pattern.search(each) for pattern in self._allowed)]

    def listen(self) -> None:
        """From now on complaints and requests are kept."""
        self.context.add_init_script(_LISTEN)
        self.context.on("console", self._said)
        self.context.on("weberror", self._failed)
        self.context.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning", "assert"):
            return
        where = message.location.get("url", "")
        if _ANSWERED.search(message.text) and _INTERFACE.match(urlsplit(where).path):
            return
        self.complaints.append(f"{message.type}: {message.text} ({where})")

    def _failed(self, error: WebError) -> None:
        self.complaints.append(f"uncaught: {error.error}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request)
        parts = urlsplit(request.url)
        if parts.scheme not in ("blob", "data") and f"{parts.scheme}://{parts.netloc}" != self.url:
            self.complaints.append(f"asks elsewhere: {request.url}")


def set_password(installation: Installation, email: str, password: str = PASSWORD) -> None:
    """Gives an account a password, at the hub's own machine; the account is made if it isn't there."""
    accounts.set_password(Layout(installation.data).hub_settings(), email, password)


@contextlib.contextmanager
def at_a_browser(
    browser: Browser, installation: Installation, email: str, *, pictures: Path | None, recorded: bool, **options: Any
) -> Iterator[Person]:
    """Somebody who hasn't signed in yet; ``options`` as of Playwright's ``new_context``."""
    with contextlib.ExitStack() as held:
        recorder = held.enter_context(Recorder(installation.port)) if recorded else None
        url = recorder.url if recorder else installation.url
        usual = {"viewport": SIZE, "locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce"}
        context = held.enter_context(browser.new_context(**usual | options))
        context.set_default_timeout(PATIENCE_MS)
        person = Person(email, url, context, context.new_page(), pictures, recorder=recorder)
        person.listen()
        yield person
