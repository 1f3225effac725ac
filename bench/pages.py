"""The web pages in Chromium: how soon they are there, how fast data is encrypted, how large rooms are drawn."""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from bench.report import Row, Table
from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.protocol import Log, ReadLog, ReadStatus, RoomStatus
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.key import Key
from tests.installation import Installation
from tests.ui.people import CHROMIUM, Person, at_a_browser, set_password

MIB = 1024 * 1024
USER = "reader@bench.example"
PATIENCE_MS = 600_000.0

_SENT = """() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .reduce((sum, each) => sum + each.transferSize, 0)"""
_DONE = "Done after ms: "
_CLICK = """(button, [words, done]) => setTimeout(() => {
  const started = performance.now();
  new MutationObserver((_, observer) => {
    if (document.body.textContent.includes(words)) {
      observer.disconnect();
      document.title = done + (performance.now() - started);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
  button.click();
}, 1000)"""
_CONFIGURATION = """
[hub]
attempts_burst = 10000
address_attempts_burst = 10000

[enclave]
user_events_per_second = 1000.0
user_events_burst = 1000000
room_events_per_second = 1000.0
room_events_burst = 1000000
"""


def measure(place: Path, loads: int, megabytes: int, nodes: int, events: int) -> Iterator[Table]:
    """Everything about the pages, against an installation of their own.

    Args:
        loads: how often a page is loaded.
        megabytes: of the file that is encrypted and uploaded (MiB).
        nodes: of the room that is drawn.
        events: of the audit log that is shown.
    """
    configuration = place / "cloister.toml"
    configuration.write_text(_CONFIGURATION)
    options = ("--workers", "1", "--config", str(configuration))
    installation = Installation(place / "pages", place / "homes", options).start()
    try:
        set_password(installation, USER)
        with sync_playwright() as playwright:
            expect.set_options(timeout=PATIENCE_MS)
            assert CHROMIUM is not None, "Chromium is not installed: make setup"
            browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=os.geteuid() != 0)
            yield _loads(browser, installation, loads)
            yield _upload(playwright, installation, place, megabytes)
            yield _large(browser, installation, nodes, events)
            browser.close()
    finally:
        installation.stop()


@contextlib.contextmanager
def _reader(browser: Browser, installation: Installation, *, signed_in: bool = True) -> Iterator[Person]:
    with at_a_browser(browser, installation, USER, pictures=None, recorded=False) as reader:
        reader.context.set_default_timeout(PATIENCE_MS)
        if signed_in:
            reader.signs_in()
            reader.trusts_software()
        yield reader


def _loads(browser: Browser, installation: Installation, repetitions: int) -> Table:
    """With nothing cached each time: a new context is a new browser."""

    def load(signed_in: bool, there: Callable[[Page], None]) -> tuple[list[float], list[float]]:
        seconds, sent = [], []
        for _ in range(repetitions):
            with at_a_browser(browser, installation, USER, pictures=None, recorded=False) as reader:
                if signed_in:
                    reader.signs_in()
                started = time.perf_counter()
                page = reader.goes_to("/")
                there(page)
                seconds.append(time.perf_counter() - started)
                sent.append(page.evaluate(_SENT) / 1000)
        return seconds, sent

    def form(page: Page) -> None:
        page.get_by_role("textbox", name="Email").fill(USER)

    def frame(page: Page) -> None:
        page.get_by_role("link", name="Datasets").focus()

    rows = []
    for name, signed_in, there in (("sign-in page", False, form), ("clean rooms", True, frame)):
        seconds, sent = load(signed_in, there)
        rows.append(_row(f"{name}: until it takes input", [1000 * each for each in seconds], "ms"))
        rows.append(_row(f"{name}: transferred", sent, "kB"))
    return Table(title="First load in Chromium, on loopback, nothing cached", rows=tuple(rows))


def _upload(playwright: Playwright, installation: Installation, place: Path, megabytes: int) -> Table:
    """The same file through the SDK and through the pages, one after the other."""
    file = place / "upload.bin"
    with file.open("wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(MIB))
    client = installation.client(f"sdk-{USER}")  # a vault of its own: a second device would have to be let in
    started = time.perf_counter()
    with file.open("rb") as data:
        client.upload_dataset(data, Key(), "by the SDK")
    by_sdk = time.perf_counter() - started
    with _chromium(place / "chromium") as (process, address):
        in_browser = _uploaded(playwright, address, installation, file)
        # Once more for its memory: looking at that holds the browser up.
        idle = _memory(process)
        peaks = [idle]
        _uploaded(playwright, address, installation, file, lambda: peaks.append(_memory(process)))
    file.unlink()
    return Table(
        title=f"{megabytes} MiB encrypted and uploaded, through a hub on this machine",
        rows=(
            Row(name="SDK", value=by_sdk, unit="s", ratio=1.0),
            Row(name="Chromium", value=in_browser, unit="s", ratio=in_browser / by_sdk),
            Row(name="Chromium, memory that it took besides", value=(max(peaks) - idle) / MIB, unit="MiB"),
        ),
    )


@contextlib.contextmanager
def _chromium(profile: Path) -> Iterator[tuple[psutil.Popen, str]]:
    """A browser of its own, and the address at which it can be steered."""
    assert CHROMIUM is not None
    options = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run"]
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    process = psutil.Popen([CHROMIUM, *options, *sandbox, "about:blank"], stderr=subprocess.PIPE, text=True)
    try:
        found = next(filter(None, (re.search(r"ws://(127\.0\.0\.1:\d+)/", line) for line in process.stderr)))
        with ThreadPoolExecutor(1) as reader:
            # What else it says is of no interest, but a full pipe would stop it.
            reader.submit(lambda: deque(process.stderr, maxlen=0))
            yield process, f"http://{found.group(1)}"
            process.terminate()
    finally:
        process.kill()
        process.wait()


def _uploaded(
    playwright: Playwright,
    address: str,
    installation: Installation,
    file: Path,
    meanwhile: Callable[[], None] = lambda: None,
) -> float:
    """Seconds from the click to the words that it is stored, as the page itself sees it.

    Playwright has Chromium hand over the body of every request, which takes ten times as long as to send it. So it only
    prepares the click, and is gone when that comes.
    """
    browser = playwright.chromium.connect_over_cdp(address)
    context = browser.contexts[0]
    reader = Person(USER, installation.url, context, context.pages[0], None)
    reader.signs_in()
    reader.trusts_software()
    page = reader.goes_to("/datasets")
    page.get_by_role("button", name="Upload a file").click()
    # Playwright would send it the file's bytes.
    steering = context.new_cdp_session(page)
    chosen = steering.send("Runtime.evaluate", {"expression": "document.querySelector('[role=dialog] [type=file]')"})
    steering.send("DOM.setFileInputFiles", {"objectId": chosen["result"]["objectId"], "files": [str(file)]})
    page.get_by_role("button", name="Encrypt and upload").evaluate(_CLICK, [f"Stored: {file.name}", _DONE])
    browser.close()
    while True:
        with urllib.request.urlopen(f"{address}/json/list") as answer:
            titles = [each["title"] for each in json.load(answer)]
        if any(title.startswith(_DONE) for title in titles):
            break
        meanwhile()
        time.sleep(0.2)
    return next(float(title.removeprefix(_DONE)) for title in titles if title.startswith(_DONE)) / 1000


def _large(browser: Browser, installation: Installation, nodes: int, events: int) -> Table:
    room = _large_room(installation, nodes, events)
    rows = []
    with _reader(browser, installation) as reader:
        page = reader.goes_to(f"/rooms/{room.id}")
        for tab, there in (
            ("Picture", page.locator(".react-flow__node").nth(nodes - 1)),
            ("Definition", page.get_by_text(f"step_{nodes - 2}").first),
            ("Audit log", page.get_by_text("Room has been published")),
        ):
            page.get_by_role("tab", name="Trust").click()
            expect(page.get_by_role("heading", name="What this browser has verified")).to_be_visible()
            started = time.perf_counter()
            page.get_by_role("tab", name=tab).click()
            if tab == "Audit log":
                page.get_by_role("button", name="Newest first").click()
            there.wait_for(state="attached")
            rows.append(Row(name=f"{tab}, until it is there", value=1000 * (time.perf_counter() - started), unit="ms"))
        rows.append(_row("scrolling the log from end to end", [_scrolled(page)], "ms"))
    return Table(
        title=f"A room of {nodes} nodes with a log of {events} events",
        rows=tuple(rows),
        notes=("the log is fetched, decrypted, decoded and hashed first",),
    )


def _scrolled(page: Page) -> float:
    """Milliseconds for twenty steps through the log, each until it is painted."""
    steps = """async (element) => {
      const started = performance.now();
      for (let step = 0; step < 20; step += 1) {
        element.scrollTop = (element.scrollHeight * step) / 20;
        await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
      }
      return performance.now() - started;
    }"""
    return float(page.get_by_role("region", name="Audit log").evaluate(steps))


def _large_room(installation: Installation, nodes: int, events: int) -> AnalyticsDcr:
    client = installation.client(USER)
    builder = AnalyticsDcrBuilder(client=client).with_name("Large").with_owner(USER)
    builder.add_node_definition(RawDataNodeDefinition(name="data", is_required=True))
    names = [f"step_{number}" for number in range(nodes - 1)]
    for number, name in enumerate(names):
        # A tree: each is read by two others.
        before = "data" if number == 0 else names[(number - 1) // 2]
        builder.add_node_definition(PythonComputeNodeDefinition(name=name, script="print()", dependencies=[before]))
    builder.add_participant(USER, data_owner_of=["data"], analyst_of=names)
    room = client.publish_analytics_dcr(builder.build())
    # Every reading is an event; of the log itself, what is new alone is asked for.
    link = client._link(room.id)
    sizes = [link.ask(ReadStatus(), RoomStatus).checkpoint.size]

    def read(_: int) -> None:
        sizes.append(link.ask(ReadLog(start=sizes[-1]), Log).checkpoint.size)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read, range(max(0, events - sizes[0]))))
    return room


def _memory(chromium: psutil.Popen) -> float:
    """Bytes that all of its processes have for themselves."""
    total = 0.0
    for process in [chromium, *chromium.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().uss
    return total


def _row(name: str, samples: list[float], unit: str) -> Row:
    return Row(name=name, value=statistics.median(samples), unit=unit, samples=tuple(samples))
