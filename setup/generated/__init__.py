"""What lies in the checkout and isn't written by hand, but for lock files and the vectors of tests. `make generated`
writes it anew; a test compares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from setup.generated import browser_libraries, browser_schema, demo_data


def files() -> Iterator[tuple[Path, str]]:
    """Each file, and its text as it should be."""
    yield browser_schema.FILE, browser_schema.text()
    yield browser_libraries.FILE, browser_libraries.text()
    for name, text in demo_data.make().items():
        yield demo_data.FOLDER / name, text
