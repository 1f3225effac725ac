"""The table of hostile scripts in this package's docstring names what there is, and all of it."""

from __future__ import annotations

import re
from pathlib import Path

import tests.attacks


def test_every_hostile_script_is_in_the_table() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_sandbox_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(machine: Machine", sources, flags=re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", tests.attacks.__doc__ or ""))
    # Those that show that the tests themselves, or what is allowed, still work.
    honest = {
        "test_the_search_finds_what_is_there",
        "test_locking_its_own_files_still_works",
        "test_withdrawn_before_it_began",
    }
    assert named == there - honest
