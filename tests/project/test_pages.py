"""Whoever builds the web pages from the same sources gets the same, to the last byte: so digests can be compared."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cloister.hub import bundle
from tests.pages import NPM, UI, built, node


@pytest.mark.slow
def test_the_same_sources_give_the_same_pages_anywhere(tmp_path: Path) -> None:
    here = built(tmp_path / "here")
    elsewhere = tmp_path / "else" / "where"
    shutil.copytree(UI, elsewhere, symlinks=True, ignore=_made_here, copy_function=_linked)
    node(NPM, "run", "build", cwd=elsewhere)
    assert bundle.load(elsewhere / "dist").manifest == bundle.load(here).manifest


def _made_here(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if (name == "dist" and Path(folder) == UI) or name.startswith(".vite")}


def _linked(source: str, target: str) -> None:
    """The packages are many files; where it can be, none of them is copied."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
