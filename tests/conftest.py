"""Shared by all tests: how they run, and a running Cloister.

One installation serves all tests of a test process; those that break theirs make their own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.installation import Installation
from tests.postgres import PostgresServer
from tests.s3 import S3Server


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("web pages")
    group.addoption("--pictures", action="store_true", help="Take the pictures in docs/images anew.")
    group.addoption(
        "--traces",
        action="store_true",
        help="Keep a trace of each browser in the test's folder for temporary files (`playwright show-trace`).",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What an installation has logged lately is shown with the failure of a test that uses it."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Installation):
                report.sections.append((f"the log of {name}", "".join(value.log[-60:])))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A test that failed and passed when it was run again has a cause, too."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.write_sep("_", f"first run of {report.nodeid}", yellow=True)
        terminalreporter.write_line(report.longreprtext)
        for name, content in report.sections:
            terminalreporter.write_sep("-", name)
            terminalreporter.write_line(content)


# Other tests keep the processors busy meanwhile: how long one example takes says nothing.
settings.register_profile("cloister", deadline=None, print_blob=True)
settings.load_profile("cloister")


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running Cloister with one worker."""
    folder = tmp_path_factory.mktemp("installation")
    running = Installation(folder / "data", folder / "homes").start()
    yield running
    assert running.stop() == 0
    assert running.output == [f"ready {running.url}\n"]


@pytest.fixture
def own_installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation of the test's own, not started yet; killed at the end where it still runs."""
    mine = Installation(tmp_path / "data", tmp_path / "homes")
    yield mine
    if mine.process is not None and mine.process.poll() is None:
        mine.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL. A test that stops it starts it again."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A running S3 server with a bucket. A test that stops it starts it again."""
    with S3Server() as server:
        yield server
