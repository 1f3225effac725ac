"""What isn't written by hand is what is made of the sources of now."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cloister.version import VERSION
from setup.generated import browser_schema, files

UI = Path(__file__).resolve().parents[2] / "ui"


def test_what_is_generated_is_up_to_date() -> None:
    """Otherwise: `make generated`."""
    old = [str(file) for file, text in files() if not file.is_file() or file.read_text() != text]
    assert not old


def test_the_browsers_types_are_those_of_its_schema() -> None:
    """Otherwise: `make generated`."""
    digest = hashlib.sha256(browser_schema.FILE.read_bytes()).hexdigest()
    assert f"// SHA-256 of the schema: {digest}\n" in (UI / "src/core/records.ts").read_text()


def test_the_browser_is_of_the_same_release() -> None:
    assert json.loads((UI / "package.json").read_text())["version"] == VERSION
