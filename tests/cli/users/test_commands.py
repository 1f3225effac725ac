"""The commands of users, at a hub and an enclave in this process."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from cloister.formats.dataset import PART_SIZE
from cloister.rooms.events import KeyBound
from tests.cli.user import User
from tests.sdk.conftest import BOB, OWNER, World, definition
from tests.sdk.hub_peer import problem

DATA = b"some text\n"


@pytest.fixture
def bob(world: World) -> User:
    """Takes part in the room, and may do nothing there."""
    mine = User(BOB, world.hub.add_user(BOB), world.url, world.folder / BOB)
    mine.login()
    return mine


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_bytes(DATA)
    return file


def test_from_data_to_result(owner: User, text: Path, tmp_path: Path) -> None:
    (listed,) = owner.well("room", "list", "--json").document["rooms"]
    assert set(listed) == {"id", "title", "owner", "stopped", "createdAt"}
    room = listed["id"]
    before = owner.well("room", "show", room[:6], "--json").document
    assert [step["command"] for step in before["next"]] == [f"cloister data attach {room[:8]} text FILE"]

    digest = owner.well("data", "put", str(text), "--description", "as of May").output.strip()
    told = owner.well("data", "attach", "upper", "text", digest[:8], "--json")
    assert told.document == {"room": room, "node": "text", "dataset": digest}
    assert f"upper reads it, for {OWNER}" in told.errors
    assert owner.well("whoami", "--json").document["deviceKey"] in told.errors
    after = owner.well("room", "show", "Uppercase", "--json").document
    assert set(after) == {"id", "title", "description", "owner", "stopped", "participants", "nodes", "next", "privacy"}
    assert [step["command"] for step in after["next"]] == [f"cloister run {room[:8]} upper"]
    assert [(node["name"], node["kind"], node["dataset"]) for node in after["nodes"]] == [
        ("text", "raw_data", digest),
        ("upper", "python", None),
    ]

    ran = owner.well("run", "upper", "upper", "--receipt", "receipt.json", "--json")
    assert set(ran.document) == {"room", "node", "job", "bytes", "file", "folder", "files", "receipt"}
    with zipfile.ZipFile(tmp_path / "upper.zip") as archive:
        (name,) = archive.namelist()
        assert archive.read(name) == DATA.upper()
    assert ran.document["bytes"] == (tmp_path / "upper.zip").stat().st_size
    assert "payloadType" in json.loads((tmp_path / "receipt.json").read_bytes())
    again = owner.well("result", "get", "upper", "upper", "--extract", "unpacked", "--json").document
    assert again["job"] == ran.document["job"]
    assert again["file"] is None
    assert (tmp_path / "unpacked" / name).read_bytes() == DATA.upper()

    events = owner.well("audit", "upper", "--json").document["events"]
    kinds = [event["body"]["type"] for event in events]
    assert {"published", "dataset_attached", "run_finished", "result_fetched", "log_read"} <= set(kinds)
    shown = owner.well("audit", "upper").output
    assert "Dataset has been attached to text" in shown
    assert len(shown.splitlines()) == len(events) + 2

    refused = owner.do("data", "rm", "text.txt")
    assert refused.code == 1
    assert "cloister data detach" in refused.errors
    detached = owner.well("data", "detach", "upper", "text", "--json").document
    assert detached == {"room": room, "node": "text", "dataset": None}
    assert owner.well("data", "rm", "text.txt", "--json").document == {"deleted": digest}
    assert owner.well("data", "list", "--json").document == {"datasets": []}

    assert owner.do("room", "stop", "upper").code == 2
    assert owner.well("room", "stop", "upper", "--yes", "--json").document == {"id": room, "stopped": True}
    assert owner.well("room", "list", "--open", "--json").document == {"rooms": []}
    assert owner.well("room", "show", room, "--json").document["next"] == []


def test_it_reads_well(owner: User, text: Path) -> None:
    room = owner.well("room", "list").output
    assert room.splitlines()[0].split() == ["TITLE", "ID", "OWNER", "STATE", "SINCE", "(UTC)"]
    assert "Uppercase" in room
    told = owner.well("data", "attach", "Uppercase", "text", str(text))
    assert "is about to go to text of Uppercase" in told.errors
    shown = owner.well("room", "show", "Uppercase").output
    assert "(this machine)" in shown
    assert f"{BOB}  none yet" in shown
    assert "What you can do next" in shown
    assert "script: print()" in owner.well("room", "show", "Uppercase", "--node", "upper").output
    assert owner.well("room", "show", "Uppercase", "--node", "upper", "--json").document["script"] == "print()"
    listed = owner.well("data", "list").output
    assert listed.splitlines()[1].split()[:4] == ["text.txt", told.output[:12], "10", "B"]


def test_datasets_come_back(owner: User, text: Path, tmp_path: Path) -> None:
    owner.well("data", "put", str(text), "--name", "../../etc/passwd")
    got = owner.well("data", "get", "../../etc", "--json").document
    assert set(got) == {"hash", "name", "description", "size", "createdAt", "file"}
    # What a dataset is called is no place: the file lies here.
    assert got["file"] == "passwd"
    assert (tmp_path / "passwd").read_bytes() == DATA
    assert "is there already" in owner.do("data", "get", got["hash"]).errors
    owner.well("data", "get", got["hash"], "-o", "passwd")
    assert owner.well("data", "get", got["hash"], "-o", "-").output.encode() == DATA
    assert owner.do("data", "get", got["hash"], "-o", "-", "--json").code == 1
    assert owner.do("data", "get", got["hash"], "-o", "no/such/folder").code == 1


def test_a_name_that_is_a_file_and_a_dataset(owner: User, text: Path) -> None:
    digest = owner.well("data", "put", "text.txt").output.strip()
    told = owner.do("data", "attach", "upper", "text", "text.txt")
    assert told.code == 1
    assert "./text.txt" in told.errors
    assert owner.well("data", "attach", "upper", "text", "./text.txt").output.strip() != digest
    assert "no place for data" in owner.do("data", "attach", "upper", "upper", digest).errors
    assert "can't be run" in owner.do("run", "upper", "text").errors


def test_others_may_not(owner: User, bob: User, text: Path, world: World) -> None:
    owner.well("data", "attach", "upper", "text", str(text))
    before = len(world.hub.blobs)
    told = bob.do("data", "attach", "upper", "text", str(text))
    assert (told.code, f"that is for {OWNER}" in told.errors) == (4, True)
    again = owner.do("data", "attach", "upper", "text", str(text))
    assert (again.code, "cloister data detach" in again.errors) == (1, True)
    # It was said before anything was uploaded.
    assert len(world.hub.blobs) == before
    outsider = User("eve@example.org", world.hub.add_user("eve@example.org"), world.url, world.folder / "eve")
    outsider.login()
    (room,) = owner.well("room", "list", "--json").document["rooms"]
    for words in (("room", "show"), ("audit",)):
        told = outsider.do(*words, room["id"])
        assert (told.code, "no such room" in told.errors) == (1, True)
        assert "There is no room 'Uppercase'" in outsider.do(*words, "Uppercase").errors


def test_names_that_are_nearly_right(owner: User) -> None:
    assert "Did you mean 'Uppercase'?" in owner.do("room", "show", "Upercase").errors
    assert "Did you mean 'upper'?" in owner.do("run", "Uppercase", "uper").errors
    assert "`cloister data list`" in owner.do("data", "rm", "nothing").errors


def test_two_rooms_that_begin_alike(owner: User, world: World) -> None:
    client = world.client()
    client.publish_analytics_dcr(definition(client, "Uppercase of somebody else"))
    told = owner.do("room", "show", "Uppercase")
    assert told.code == 1
    assert "Name one by its id" in told.errors
    owner.well("room", "show", "Uppercase of")


def test_a_run_that_is_not_waited_for(owner: User, text: Path) -> None:
    assert owner.do("cancel", "upper", "upper").code == 1
    owner.well("data", "attach", "upper", "text", str(text))
    job = owner.well("run", "upper", "upper", "--no-wait").output.strip()
    assert owner.do("run", "upper", "upper", "--no-wait", "-o", "x").code == 2
    got = owner.well("result", "get", "upper", "upper", "-o", "one.zip", "--json").document
    assert got["job"] == job
    # Somebody who has not started it, or has forgotten, gets what is there.
    for note in (owner.home / "jobs").iterdir():
        note.write_bytes(b"{")
    latest = owner.well("result", "get", "upper", "upper", "-o", "two.zip", "--json").document
    assert latest["job"] is None
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()
    assert owner.well("cancel", "upper", "upper", "--job", job, "--json").document["job"] == job
    assert owner.do("cancel", "upper", "upper", "--job", "x").code == 1


def test_nothing_is_run_for_what_has_no_place(owner: User, text: Path, world: World) -> None:
    owner.well("data", "attach", "upper", "text", str(text))
    Path("upper.zip").write_bytes(b"precious")
    Path("full").mkdir()
    Path("full/file").touch()
    for options in ([], ["-o", "no/such/folder/x"], ["--extract", "full"], ["-o", "x", "--receipt", "no/such/x"]):
        assert owner.do("run", "upper", "upper", *options).code == 1
    assert Path("upper.zip").read_bytes() == b"precious"
    assert "run_started" not in owner.well("audit", "upper", "--json").output


def test_an_upload_that_is_broken_off(owner: User, world: World, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(PART_SIZE + 1))

    def away(request: Request) -> Response | None:
        last = request.method == "PUT" and request.url.path.endswith("/1")
        return problem(403, "forbidden", "Not now.") if last else None

    world.hub.on_request = away
    told = owner.do("data", "put", str(file))
    assert told.code == 4
    assert "only the rest is sent" in told.errors
    world.hub.on_request = lambda request: None
    digest = owner.well("data", "put", str(file)).output.strip()
    owner.well("data", "get", digest, "-o", "back.bin")
    assert Path("back.bin").read_bytes() == file.read_bytes()


def test_a_second_machine(owner: User, text: Path) -> None:
    digest = owner.well("data", "put", str(text)).output.strip()
    second = User(OWNER, owner.token, owner.url, owner.home.with_name("second"))
    second.login()
    told = second.do("data", "put", str(text))
    assert told.code == 4
    assert "set CLOISTER_VAULT=" in told.errors
    assert second.do("data", "get", digest, "-o", "x").code == 4
    key = second.well("whoami", "--json").document["deviceKey"]
    with pytest.warns(UserWarning, match="cloister vault admit"):
        shown = owner.well("vault", "show", "--json").document
    assert [device["admitted"] for device in shown["devices"]] == [True, False]
    assert owner.well("vault", "admit", key, "--json").document == {"admitted": key}
    assert "this machine" in owner.well("vault", "show").output
    second.well("data", "get", digest, "-o", "x")
    assert second.do("data", "put", str(text), CLOISTER_VAULT=shown["id"]).code == 0
    assert owner.well("vault", "dismiss", key, "--json").document == {"dismissed": key}
    assert second.do("data", "list").code != 0


def test_a_device_key_that_comes_between(owner: User, text: Path, world: World) -> None:
    """Whoever binds a key between the look at the keys and the data gets nothing."""
    (room,) = world.hub.enclave.rooms.values()

    def intruder(request: Request) -> Response | None:
        if request.method == "PUT" and "/parts/" in request.url.path:
            room.append(BOB, KeyBound(user=BOB, key="ab" * 32, issuer="hub.example.org"))
        return None

    world.hub.on_request = intruder
    told = owner.do("data", "attach", "upper", "text", str(text))
    assert (told.code, "Another device key was bound" in told.errors) == (4, True)
    assert owner.well("room", "show", "upper", "--json").document["nodes"][0]["dataset"] is None


def test_what_others_say_gives_the_terminal_no_orders(owner: User, world: World) -> None:
    world.hub.on_request = lambda request: problem(403, "forbidden", "No.\x1b[2J\x9b31m Ask\nsomebody.")
    told = owner.do("room", "list")
    assert (told.code, told.errors) == (4, "cloister: No.?[2J?31m Ask\nsomebody.\n")
