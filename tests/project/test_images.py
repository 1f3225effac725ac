"""What images bring along a copy of is the same as here: no image can import this package."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.formats import table_schema
from cloister.worker.runners.script import WITHHELD

MODULES = Path(__file__).resolve().parents[2] / "images" / "modules"


def test_tables_have_the_same_schema_everywhere() -> None:
    assert (MODULES / "cloister_util" / "schema.py").read_text() == Path(table_schema.__file__).read_text()


def test_what_is_withheld_lies_where_the_worker_looks_for_it() -> None:
    matching = (MODULES / "cloister_synthetic" / "match.py").read_text()
    assert re.findall(r'^WITHHELD = "(.*)"$', matching, re.MULTILINE) == [WITHHELD]
