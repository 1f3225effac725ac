"""What Cloister's own programs are told, and whose rows a query takes for protected."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cloister.rooms.limits import GIB
from cloister.rooms.nodes import Node
from cloister.rooms.programs import CONFIG_NAME, Program, program_of
from tests.rooms.examples import python
from tests.rooms.kinds import match, preview, sql, sqlite, table, tables


def program(node_id: str, *more: Node) -> Program:
    definition = tables(*more)
    node = definition.node(node_id)
    return program_of(definition, node)  # type: ignore[arg-type]  # those that are asked for are of that kind


def config(node_id: str, *more: Node) -> Any:
    """As the program reads it."""
    return json.loads(program(node_id, *more).config_text)


def test_a_table() -> None:
    assert program("people").module == "cloister_tables.table"
    assert config("people") == {
        "table": "people",
        "columns": [
            {
                "name": "id",
                "type": "INTEGER",
                "nullable": False,
                "hash": False,
                "range": {"greater_than_equals": 1, "less_than": 10**6},
            },
            {"name": "email", "type": "EMAIL", "nullable": True, "hash": True, "range": {}},
            {"name": "weight", "type": "FLOAT", "nullable": True, "hash": False, "range": {"greater_than": 0.5}},
        ],
        "unique": [[0], [0, 1]],
        "drop_invalid_rows": True,
        "memory_bytes": 4 * GIB,
    }


def test_queries_find_their_tables_by_name() -> None:
    more = (table("t1", name="Table of patients"), sql("q", "t1", "people"), sqlite("l", "t1"))
    assert program("q", *more).module == "cloister_tables.sql"
    assert config("q", *more) == {
        "statement": "SELECT 1",
        "tables": [{"mount": "Table of patients", "protected": False}, {"mount": "people", "protected": False}],
        "minimum_rows": None,
        "memory_bytes": 4 * GIB,
    }
    assert program("l", *more).module == "cloister_tables.sqlite"
    assert config("l", *more) == {"statement": "SELECT 1", "tables": [{"mount": "Table of patients"}]}


def test_synthetic_data() -> None:
    assert program("fake").module == "cloister_synthetic.synthetic"
    # The ranges of a table's columns are public: they stand in the definition.
    ranges: tuple[dict[str, float], ...] = ({"greater_than_equals": 1, "less_than": 10**6}, {})
    masked = {"name": None, "type": "STRING", "mask_type": "genericString", "mask": False, "nullable": True}
    columns = [{"index": index, **masked, "range": bounds} for index, bounds in enumerate(ranges)]
    assert config("fake") == {"table": "people", "columns": columns, "epsilon": 1, "statistics": False}


@pytest.mark.parametrize("prefix", ["", "/input/"])
def test_matches(prefix: str) -> None:
    paths = (f"{prefix}sales/dataset.csv", f"{prefix}people")
    node = match("m", "people", "sales", paths=paths, round=5, query='{"==": [1, "\\ud83d\\ude00"]}')
    assert program("m", node).module == "cloister_synthetic.match"
    assert config("m", node) == {
        "query": {"==": [1, "\U0001f600"]},
        "round": 5,
        "epsilon": 0.5,
        "sensitivity": 1,
        "paths": ["sales/dataset.csv", "people"],
        "tables": ["people", "sales"],
    }


def test_previews() -> None:
    assert program("look").module == "cloister_tables.preview"
    assert config("look") == {"dependency": "counts"}


# --- what counts as protected ---


def protected(least: int, read: str, *more: Node) -> bool:
    """Whether a query that shows groups of so many rows protects the rows of what it reads."""
    found = config("q", *more, sql("q", read, minimum_rows=least))["tables"]
    assert [each["mount"] for each in found] == [read]
    return bool(found[0]["protected"])


@pytest.mark.parametrize("read", ["people", "sales"])
def test_rows_of_data_are_protected(read: str) -> None:
    assert protected(5, read)


@pytest.mark.parametrize("read", ["listed", "light", "look", "pairs", "of pairs"])
def test_so_is_what_was_made_of_them_one_by_one(read: str) -> None:
    """Queries without a filter, the rows of a match, and whatever a script has made of any."""
    assert protected(5, read) == (read != "look")  # a preview of what was filtered
    assert protected(5, "again", python("again", read)) == (read != "look")


def test_scripts_of_scripts_of_data() -> None:
    chain = (python("one", "notes"), python("two", "one"), preview("three", "two"), sqlite("four", "three"))
    for node in ("one", "two", "three", "four"):
        assert protected(5, node, *chain)


def test_what_was_made_without_data_is_not() -> None:
    assert not protected(5, "made up", python("made up"))
    assert not protected(5, "two", python("made up"), sql("two", "made up"))


def test_groups_of_as_many_rows_are_not_and_of_fewer_are() -> None:
    assert not protected(5, "counts")
    assert not protected(4, "counts")
    assert protected(6, "counts")
    # One that filters less than the first does not undo it, and can't stand in for it.
    assert not protected(5, "of counts", sql("of counts", "counts", minimum_rows=1))
    assert protected(5, "lax", sql("lax", "people", minimum_rows=4))


def test_synthetic_data_is_nobodys() -> None:
    assert not protected(5, "fake")
    assert not protected(5, "of it", python("of it", "fake"))


def test_one_protected_source_is_enough() -> None:
    assert protected(5, "mixed", python("mixed", "fake", "counts", "people"))
    assert not protected(5, "mixed", python("mixed", "fake", "counts"))
    assert protected(5, "mixed", sql("mixed", "counts", "listed"))


def test_without_a_minimum_nothing_is_said_to_be_protected() -> None:
    assert config("listed")["tables"] == [{"mount": "people", "protected": False}]


def test_long_chains_and_diamonds_are_walked_once() -> None:
    chain: list[Node] = [python("n0", "notes"), python("n1", "n0")]
    chain += [python(f"n{index}", f"n{index - 1}", f"n{index - 2}") for index in range(2, 900)]
    before = time.process_time()
    told = config("q", *chain, sql("q", *(node.id for node in chain), minimum_rows=2))
    assert all(each["protected"] for each in told["tables"])
    assert time.process_time() - before < 1


# --- how they are started ---


def test_what_starts_a_program_takes_no_module_from_among_the_inputs(tmp_path: Path) -> None:
    """Another computation's result is a folder below /input, which may hold a package of any name; and beside the
    program lies nothing but what it is told."""
    (tmp_path / "cloister_tables").mkdir()
    (tmp_path / "cloister_tables" / "__init__.py").touch()
    (tmp_path / "cloister_tables" / "sql.py").write_text(
        "import json, sys\n\ndef main(): print(json.dumps(sys.path))\n", encoding="utf-8"
    )
    start = f"import sys\nsys.path[:] = ['/input/code', {str(tmp_path)!r}, *sys.path[1:], '/code', '', '/input']\n"
    script = tmp_path / "main.py"
    script.write_text(start + program("listed").script, encoding="utf-8")
    told = subprocess.run([sys.executable, "-S", str(script)], capture_output=True, check=True, text=True)
    path = json.loads(told.stdout)
    assert path[0] == str(tmp_path)
    assert not {"/input", "/input/code", "/code", ""} & set(path)
    assert len(path) > 1


def test_texts_are_ascii_and_the_name_is_the_one_that_programs_read() -> None:
    """As they lie in a file whose encoding nobody has to think about."""
    assert program("q", sql("q", "people", statement="SELECT 'ü\u2028'")).config_text.isascii()
    assert CONFIG_NAME == "config.json"
