"""Rooms as files, from test to publication."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloister.analytics import AnalyticsDcrDefinition
from cloister.errors import Refused
from tests.cli.user import User
from tests.sdk.conftest import BOB, OWNER, World

ROOM = f"""\
title: From files
participants:
  {OWNER}: {{analyst_of: [upper]}}
  {BOB}: {{data_owner_of: [text]}}
nodes:
  text:
    kind: raw_data
    test: made-up.txt
  upper:
    kind: python
    script: upper.py
    dependencies: [text]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "room"
    found.mkdir()
    (found / "room.yaml").write_text(ROOM)
    (found / "upper.py").write_text("print()\n")
    (found / "made-up.txt").write_text("made up")
    return found


def test_a_room_is_tested_and_published(owner: User, world: World, folder: Path) -> None:
    code, _, errors = (told := owner.do("room", "publish", "room")).code, told.output, told.errors
    assert (code, "was not tested. Test it: cloister room test room" in " ".join(errors.split())) == (1, True)
    told = owner.well("room", "test", "room")
    assert "Test of 'From files': 1 passed." in told.output
    assert "upper running" in told.errors
    assert "cloister room publish room" in told.errors
    room = owner.well("room", "publish", "room").output.strip()
    assert owner.well("room", "show", room, "--json").document["title"] == "From files"

    # What was published from here is what it is compared with.
    assert owner.do("room", "diff", "room").code == 0
    (folder / "upper.py").write_text("print('changed')\n")
    told = owner.do("room", "diff", "room")
    assert (told.code, told.output.splitlines()) == (
        1,
        ["node upper", "  script:", "    @@ -1 +1 @@", "    -print()", "    +print('changed')"],
    )
    (change,) = owner.do("room", "diff", "room", "From", "--json").document["changes"]
    assert (change["where"], change["field"], change["before"]) == ("node upper", "script", "print()\n")

    # What was changed is not what was tested.
    told = owner.do("room", "publish", "room")
    assert (told.code, "changed since it was tested" in told.errors) == (1, True)
    assert len(owner.well("room", "publish", "room", "--untested", "--json").document["id"]) == 64


def test_what_does_not_pass_is_not_published(owner: User, world: World, folder: Path) -> None:
    def fails(inputs: dict[str, bytes]) -> dict[str, bytes]:
        assert inputs == {"text": b"made up"}
        raise Refused("failed", "The computation 'upper' failed \x1b[2J.")

    world.hub.enclave.compute = fails
    told = owner.do("room", "test", "room")
    assert (told.code, "1 failed" in told.output, "\x1b" in told.output) == (3, True, False)
    report = owner.do("room", "test", "room", "--json")
    assert (report.code, report.document["passed"], report.document["nodes"][0]["outcome"]) == (3, False, "failed")
    assert report.errors == ""
    told = owner.do("room", "publish", "room")
    assert (told.code, "has not passed its test: 'upper' failed" in told.errors) == (1, True)


def test_other_test_data_can_be_named(owner: User, world: World, folder: Path, tmp_path: Path) -> None:
    world.hub.enclave.compute = lambda inputs: {"container.log": b"said: " + inputs["text"], "x": b""}
    (tmp_path / "mine.txt").write_text("mine")
    told = owner.well("room", "test", "room", "--data", "text=mine.txt", "--console")
    assert "upper has printed:\n    said: mine" in told.output
    assert "NODE=FILE" in owner.do("room", "test", "room", "--data", "text=gone.txt").errors
    told = owner.do("room", "test", "room", "--data", "txet=mine.txt")
    assert (told.code, "Did you mean 'text'" in told.errors) == (1, True)
    # What scripts have printed is not kept.
    kept = b"".join(file.read_bytes() for file in owner.home.rglob("*") if file.is_file())
    assert b"said: mine" not in kept


def test_a_room_is_exported_and_imported(owner: User, folder: Path, tmp_path: Path) -> None:
    published = owner.well("room", "publish", "room", "--untested").output.strip()
    told = owner.well("room", "export", published, "--to", "copy")
    assert "copy: 2 files." in told.errors
    assert (tmp_path / "copy/upper.py").read_text() == "print()\n"
    assert owner.do("room", "diff", "copy", "room").code == 0
    assert owner.well("room", "export", "room", "--json", "room.json").output == ""
    digest = AnalyticsDcrDefinition.from_json((tmp_path / "room.json").read_bytes()).digest
    assert AnalyticsDcrDefinition.from_json(owner.well("room", "export", "copy").output).digest == digest
    assert owner.well("room", "diff", "copy", "room.json", "--json").document == {"same": True, "changes": []}
    assert json.loads((tmp_path / "room.json").read_text())["format"] == "cloister-room"
    told = owner.do("room", "export", "room", "--to", "copy")
    assert (told.code, "is there already" in told.errors) == (1, True)
    assert owner.do("room", "export", "room", "--to", "x", "--json", "y").code == 2


def test_files_that_say_who_the_owner_is_need_no_login(world: World, folder: Path) -> None:
    stranger = User(BOB, "", world.url, world.folder / "stranger")
    told = stranger.do("room", "export", "room")
    assert (told.code, "You are not logged in" in told.errors) == (1, True)
    assert stranger.do("room", "diff", "room", "room").code == 0
    (folder / "room.yaml").write_text(f"owner: {OWNER}\n{ROOM}")
    assert json.loads(stranger.well("room", "export", "room").output)["owner"] == OWNER
    told = stranger.do("room", "diff", "room")
    assert (told.code, "You are not logged in" in told.errors) == (1, True)


def test_nothing_published_from_here(owner: User, folder: Path) -> None:
    told = owner.do("room", "diff", "room")
    assert (told.code, "No room was published from room" in told.errors) == (1, True)
    told = owner.do("room", "export", "nothing such")
    assert (told.code, "There is no room" in told.errors) == (1, True)


def test_a_mistake_is_told_with_its_line(owner: User, folder: Path) -> None:
    (folder / "room.yaml").write_text(ROOM.replace("script:", "scrpt:"))
    told = owner.do("room", "test", "room")
    assert (told.code, "room.yaml, line 11, nodes.upper.scrpt" in told.errors) == (1, True)
