"""What the browser takes from the Python code is taken from the code of now."""

from __future__ import annotations

import hashlib
import json

from cloister.version import VERSION
from tests.project import browser_libraries, browser_schema


def test_the_browsers_schema_is_that_of_the_records() -> None:
    """Otherwise: ``python -m tests.project.browser_schema``, then ``npm run types`` in ``ui/``."""
    assert browser_schema.FILE.read_text() == browser_schema.text()


def test_the_browsers_types_are_those_of_its_schema() -> None:
    digest = hashlib.sha256(browser_schema.FILE.read_bytes()).hexdigest()
    assert f"// SHA-256 of the schema: {digest}\n" in browser_schema.TYPES.read_text()


def test_the_browser_is_of_the_same_release() -> None:
    assert json.loads((browser_schema.UI / "package.json").read_text())["version"] == VERSION


def test_the_browsers_libraries_are_those_of_the_images() -> None:
    """Otherwise: ``python -m tests.project.browser_libraries``."""
    assert browser_libraries.FILE.read_text() == browser_libraries.text()
