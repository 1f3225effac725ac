"""The web pages in a real browser, served by a whole Cloister."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.installation import Installation
from tests.pages import ROOT, built

from .people import CHROMIUM, PATIENCE_MS, Person, at_a_browser, set_password

_CONFIGURATION = """
[hub]
ui = "dist"
attempts_burst = 10000
address_attempts_burst = 10000
"""
_THERE = pytest.StashKey[list[Person]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What everybody sees is shown with the failure of a test."""
    report = yield
    if report.failed and call.when == "call":
        for person in item.stash.get(_THERE, []):
            report.sections.append((f"what {person.email} sees", person.sees()))
    return report


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running Cloister with one worker, which serves the pages of now."""
    running = make_installation(tmp_path_factory.mktemp("pages")).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def own_installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation of the test's own with the same pages, not started yet; ended after the test."""
    mine = make_installation(tmp_path)
    yield mine
    if mine.process is not None and mine.process.poll() is None:
        mine.stop()


def make_installation(folder: Path) -> Installation:
    """Not started yet. Its pages are a copy, so that it has the same when it is started again."""
    built(folder / "dist")
    configuration = folder / "cloister.toml"
    configuration.write_text(_CONFIGURATION)
    options = ("--workers", "1", "--config", str(configuration))
    return Installation(folder / "data", folder / "homes", options)


# One a module: while it is there it runs an event loop in this thread, so that nothing else can run one here.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        expect.set_options(timeout=PATIENCE_MS)
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium, without a window. Contexts keep people apart in it as well as machines would."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: `make setup` does that on Debian; elsewhere Google Chrome serves.")
    # Chromium's own sandbox doesn't work as root.
    sandbox = os.geteuid() != 0
    browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=sandbox)
    yield browser
    browser.close()


@pytest.fixture
def person(
    browser: Browser, installation: Installation, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Person]]:
    """Makes somebody with a browser, ``person(email)``, who has signed in.

    ``signed_in=False``: they have a password, but haven't used it yet. ``at``: another installation. ``recorded=True``:
    every byte between this browser and the hub is kept, in `Person.recorder`. All else goes to Playwright's
    ``new_context``: ``color_scheme="dark"``, say. What goes wrong in any of their pages fails the test, unless
    `Person.expects` it.
    """
    there = request.node.stash[_THERE] = list[Person]()
    pictures = ROOT / "docs" / "images" if request.config.getoption("--pictures") else None
    traces = request.config.getoption("--traces")
    with contextlib.ExitStack() as held:

        def make(
            email: str,
            *,
            signed_in: bool = True,
            at: Installation | None = None,
            recorded: bool = False,
            **options: Any,
        ) -> Person:
            at = at or installation
            sitting = at_a_browser(browser, at, email, pictures=pictures, recorded=recorded, **options)
            made = held.enter_context(sitting)
            there.append(made)
            if traces:
                made.context.tracing.start(screenshots=True, snapshots=True, title=f"{request.node.name} {email}")
                held.callback(made.context.tracing.stop, path=tmp_path / f"{len(there)}-{email}.zip")
            set_password(at, email)
            if signed_in:
                made.signs_in()
            return made

        yield make
    assert not [f"{each.email}: {complaint}" for each in there for complaint in each.unexpected()]
