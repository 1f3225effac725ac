"""What `room.yaml` says, and what it is told where it makes no sense: the line, and what was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.errors import BadRequestError, DefinitionInvalid
from cloister.rooms.nodes import MatchNode, PythonNode, SyntheticNode, TableDataNode
from cloister.rooms.tables import Column, Range, SyntheticColumn
from cloister.sdk.files import RoomFolder, read_folder, write_folder

ME = "me@example.org"
ROOM = """\
title: Everything
participants:
  Bob@Example.org: {data_owner_of: [people]}
  me@example.org:
    analyst_of: [report]
nodes:
  people:
    kind: table_data
    columns:
      id: STRING
      e-mail: email nullable hashed
      age: {type: INTEGER, range: [0, 120]}
      height: {type: FLOAT, nullable: true, range: {greater_than: 0.5}}
    unique: [[id], [e-mail, age]]
    test: testdata/people.csv
  more:
    kind: table_data
    required: false
    columns: {id: STRING}
  report:
    kind: python
    script: report.py
    files: [lib/helper.py]
    dependencies: [people]
    limits: {wall_seconds: 60}
  named:
    kind: python
    id: other
    script: report.py
    files: {a/b.py: lib/helper.py}
  fake:
    kind: synthetic
    dependency: people
    epsilon: 1
    columns:
      - age
      - {column: e-mail, mask: email}
      - {index: 3, name: size, type: INTEGER, nullable: false}
  pairs:
    kind: match
    query: pairs.json
    round: 10
    epsilon: 1e-1
    sensitivity: 1
    dependencies: [people, more]
"""
FILES = {
    "report.py": "print()\r\n",
    "lib/helper.py": "",
    "pairs.json": '{"==": [1, 1]}',
    "testdata/people.csv": "1,,3,\n",
}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., RoomFolder]:
    """Reads a folder with these files."""

    def do(room: str = ROOM, **files: str) -> RoomFolder:
        for name, content in {**FILES, **files, "room.yaml": room}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
        return read_folder(tmp_path, lambda: ME)

    return do


def test_what_is_left_out_is_as_usual(read: Callable[..., RoomFolder], tmp_path: Path) -> None:
    folder = read()
    definition = folder.definition
    assert (definition.owner, definition.name, definition.description) == (ME, "Everything", "")
    assert [each["user"] for each in definition.permissions] == ["bob@example.org", ME]
    assert folder.test_data == {"people": tmp_path / "testdata/people.csv"}
    by_name = {node.name: node.record for node in definition.node_definitions}
    people, report, fake = by_name["people"], by_name["report"], by_name["fake"]
    assert isinstance(people, TableDataNode)
    assert people.columns == (
        Column(name="id", type="STRING", nullable=False),
        Column(name="e-mail", type="EMAIL", nullable=True, hashed=True),
        Column(
            name="age", type="INTEGER", nullable=False, range=Range(greater_than_equals=0.0, less_than_equals=120.0)
        ),
        Column(name="height", type="FLOAT", nullable=True, range=Range(greater_than=0.5)),
    )
    assert (people.unique, people.required, people.image) == (((0,), (1, 2)), True, "python")
    assert isinstance(report, PythonNode)
    assert (report.script, report.limits.wall_seconds, report.limits.pids) == ("print()\r\n", 60, 512)
    assert [file.name for file in report.files] == ["lib/helper.py"]
    named = by_name["named"]
    assert isinstance(named, PythonNode)
    assert (named.id, [file.name for file in named.files]) == ("other", ["a/b.py"])
    assert isinstance(fake, SyntheticNode)
    assert fake.image == "synthetic"
    assert fake.columns == (
        SyntheticColumn(index=2, type="INTEGER", mask_type="genericString", mask=False, nullable=False),
        SyntheticColumn(index=1, type="HASH_SHA256_HEX", mask_type="email", mask=True, nullable=True),
        SyntheticColumn(index=3, name="size", type="INTEGER", mask_type="genericString", mask=False, nullable=False),
    )
    pairs = by_name["pairs"]
    assert isinstance(pairs, MatchNode)
    assert (pairs.paths, pairs.epsilon) == (("people/dataset.csv", "more/dataset.csv"), 0.1)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("title: Everything", "titel: Everything", r"line 1, titel: nothing is called that here. Did you mean 'title'"),
        ("title: Everything", "title: 2024", r"line 1, title: Expected `str`, got `int`"),
        ("title: Everything\n", "", r"missing required field `title`"),
        ("title: Everything", "title: a\ntitle: b", r"line 2, title: this is there twice"),
        ("title: Everything", "title: Everything\nversion: 2", r"line 2, version: Invalid enum value 2"),
        ("title: Everything", "title: Everything\nprivacy_budget: -1", "privacy budget must be"),
        ("kind: python\n    script", "kind: pyton\n    script", r"line 21, nodes.report.kind: .*'pyton'.* 'python'"),
        ("    kind: python\n    script", "    script", r"line 20, nodes.report.kind: 'kind' is missing"),
        ("script: report.py\n    files: [", "scrpt: report.py\n    files: [", r"line 22, .*scrpt: .* mean 'script'"),
        ("wall_seconds: 60", "wall_second: 60", r"line 25, nodes.report.limits.wall_second.*'wall_seconds'"),
        ("wall_seconds: 60", "wall_seconds: 0", "'report' is zero or less"),
        ("dependencies: [people]", "dependencies: people", r"line 24, nodes.report.dependencies: Expected `array`"),
        ("dependencies: [people]", "dependencies: [peopel]", r"depends on 'peopel'"),
        ("analyst_of: [report]", "analist_of: [report]", r"line 5, participants.me.*analist_of.*'analyst_of'"),
        ("Bob@Example.org:", "bob:", r"line 3, participants.bob: that is no email"),
        ("Bob@Example.org:", "ME@example.org:", "listed twice"),
        ("id: STRING\n", "id: STRNG\n", r"line 10, nodes.people.columns.id.*'STRNG'"),
        ("id: STRING\n", "id: STRING null\n", r"line 10, nodes.people.columns.id.null: .* mean 'nullable'"),
        ("range: [0, 120]", "range: [0]", r"line 12, nodes.people.columns.age.range"),
        ("[e-mail, age]", "[e-mail, aeg]", r"line 14, nodes.people.unique.1: .*'aeg'. Did you mean 'age'"),
        ("      - age", "      - aeg", r"line 36, nodes.fake.columns.0: .*'aeg'. Did you mean 'age'"),
        ("mask: email", "mask: mail", r"line 37, nodes.fake.columns.1.mask: Invalid enum value 'mail'"),
        ("{index: 3,", "{index: -1,", "counts from 0"),
        ("{index: 3,", "{index: 3, column: age,", "either the 'column'"),
        ("id: other", "id: people", r"line 26, nodes.named: another node has the id 'people'"),
        ("query: pairs.json", "query: report.py", "not JSON logic"),
        ("script: report.py", "script: gone.py", r"line 22, nodes.report.script: there is no file 'gone.py'"),
        ("script: report.py", "script: ../report.py", r"no file of this folder"),
        ("script: report.py", "script: /etc/passwd", r"no file of this folder"),
        ("script: report.py", "script: lib", r"'lib' is not a file"),
        ("script: report.py", "script: ''", r"no file of this folder"),
        ("script: report.py", 'script: "a\\0b"', r"no file of this folder"),
        ("script: report.py", 'script: "lib\\\\x"', r"no file of this folder"),
        ("test: testdata/people.csv", "test: testdata/gone.csv", r"line 15, nodes.people.test"),
        ("title: Everything", "title: &a Everything\ndescription: *a", "line 2: .*references"),
        ("title: Everything", "title: !!python/object:os.system x", "line 1, title: the tag .* not allowed"),
        ("title: Everything", "? [a]\n: b", "keys must be texts"),
        ("title: Everything", "title: 'x", "not YAML"),
        ("title: Everything", "title: x\n--- \ntitle: y", "not YAML"),
        ("title: Everything", "title: " + "[" * 5000, "nested too deeply"),
        ("title: Everything", "title: \x07", "not YAML"),
    ],
)
def test_what_makes_no_sense(read: Callable[..., RoomFolder], before: str, after: str, says: str) -> None:
    assert before in ROOM
    with pytest.raises(DefinitionInvalid, match=rf"(?s)room\.yaml.*{says}"):
        read(ROOM.replace(before, after, 1))


@pytest.mark.parametrize("text", ["", "[]", "words", "42"])
def test_what_is_no_room_at_all(read: Callable[..., RoomFolder], text: str) -> None:
    with pytest.raises(DefinitionInvalid, match="has to begin with 'title"):
        read(text)


def test_scripts_are_text(read: Callable[..., RoomFolder]) -> None:
    with pytest.raises(DefinitionInvalid, match=r"'report.py' is not text in UTF-8 \(byte 1 "):
        read(**{"report.py": "a\udcff"})


def test_requirements_are_plain(read: Callable[..., RoomFolder]) -> None:
    room = f"{ROOM}  packages: {{kind: python_environment, requirements: r.txt, lock: lock.json}}\n"
    with pytest.raises(DefinitionInvalid, match=r"line 46, nodes.packages.requirements: Line 1 of the requirements"):
        read(room, **{"r.txt": "-e .", "lock.json": "[]"})
    with pytest.raises(DefinitionInvalid, match=r"line 46, nodes.packages.lock: 'lock.json' is no lock"):
        read(room, **{"r.txt": "six", "lock.json": '[{"name": "six"}]'})


def test_links_do_not_lead_out(read: Callable[..., RoomFolder], tmp_path: Path) -> None:
    read()
    outside = tmp_path.parent / f"{tmp_path.name}-outside.py"
    outside.write_text("secret = 1")
    (tmp_path / "report.py").unlink()
    (tmp_path / "report.py").symlink_to(outside)
    with pytest.raises(DefinitionInvalid, match="leads out of the folder"):
        read_folder(tmp_path, lambda: ME)
    (tmp_path / "report.py").unlink()
    (tmp_path / "report.py").symlink_to("report.py")
    with pytest.raises(DefinitionInvalid, match=r"there is no file 'report.py'"):
        read_folder(tmp_path, lambda: ME)
    (tmp_path / "report.py").unlink()
    (tmp_path / "report.py").symlink_to("lib/helper.py")
    with pytest.raises(DefinitionInvalid, match="The script of 'report' is empty"):
        read_folder(tmp_path, lambda: ME)


def test_a_folder_without_a_room(tmp_path: Path) -> None:
    with pytest.raises(DefinitionInvalid, match=r"there is no file 'room.yaml'"):
        read_folder(tmp_path, lambda: ME)
    with pytest.raises(DefinitionInvalid, match="is no folder"):
        read_folder(tmp_path / "gone", lambda: ME)


def test_nothing_is_written_over(read: Callable[..., RoomFolder], tmp_path: Path) -> None:
    written = read().definition.configuration
    with pytest.raises(BadRequestError, match="is there already"):
        write_folder(written, tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadRequestError, match="is there already"):
        write_folder(written, tmp_path / "link")
    assert "room.yaml" in write_folder(written, tmp_path / "deep/er")
