"""The floors of the web pages are those of the table in `ui/README.md`: nobody imports anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

UI = Path(__file__).resolve().parents[2] / "ui"
SRC = UI / "src"
_ROW = re.compile(r"^\| `src/(?P<folder>[a-z/]+)` \| [^|]* \| (?P<may>[^|;]*)(?:; (?P<also>[^|]*))? \|$", re.MULTILINE)
_ALSO = re.compile(r"`(?P<module>\w+)` also (?P<folder>[a-z/]+)")
_NOTHING = "nothing else"
# `import ... from "../x"`, `export ... from "../x"`, `import "../x"` and `import("../x")`, of this checkout's own.
_IMPORT = re.compile(r"""\b(?:from\s*|import\s*\(?\s*)(?P<quote>["'])(?P<path>\.[^"']*)(?P=quote)""")


def told() -> tuple[dict[str, set[str]], set[tuple[str, str]]]:
    """What each folder may import, the lowest first; and modules that may import a folder besides."""
    folders: dict[str, set[str]] = {}
    besides: set[tuple[str, str]] = set()
    for row in _ROW.finditer((UI / "README.md").read_text()):
        folders[row["folder"]] = set() if row["may"] == _NOTHING else set(row["may"].split(", "))
        besides |= {(f"{row['folder']}/{also['module']}", also["folder"]) for also in _ALSO.finditer(row["also"] or "")}
    return folders, besides


def imports() -> Iterator[tuple[Path, Path]]:
    """Modules, and what they import, below `src`."""
    for file in SRC.rglob("*"):
        if file.suffix in (".ts", ".tsx"):
            for found in _IMPORT.finditer(file.read_text()):
                imported = (file.parent / found["path"]).resolve()
                if imported.is_relative_to(SRC):
                    yield file.relative_to(SRC), imported.relative_to(SRC)


def test_every_folder_has_a_floor() -> None:
    folders, _ = told()
    there = {path.name for path in SRC.iterdir() if path.is_dir()}
    assert there == {folder.partition("/")[0] for folder in folders}
    assert all((SRC / folder).is_dir() for folder in folders)


def test_a_floor_stands_on_those_below_it() -> None:
    below: set[str] = set()
    for folder, may in told()[0].items():
        assert may <= below, folder
        below.add(folder)


def test_folders_import_what_the_table_says() -> None:
    folders, besides = told()

    def floor(path: Path) -> str:
        return max((each for each in folders if path.is_relative_to(each)), key=len)

    found: dict[str, set[str]] = {folder: set() for folder in folders}
    apart: set[tuple[str, str]] = set()
    for module, imported in imports():
        one, other = floor(module), floor(imported)
        if (name := str(module.with_suffix("")), other) in besides:
            apart.add((name, other))
        elif one != other:
            found[one].add(other)
    assert found == folders
    assert apart == besides
