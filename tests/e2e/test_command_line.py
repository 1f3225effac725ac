"""The command line as its users use it: processes, a machine for each, and what they leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.formats.dataset import PART_SIZE
from cloister.wire.hub import Hub
from tests.installation import Installation

ROLES = ("analyst", "lab", "eve")
PASSPHRASE = "a passphrase of the lab's own"
UPPER = "open('/output/upper.txt', 'w').write(open('/input/text').read().upper())"
PARTS = 16


@dataclass
class Person:
    """Types commands on a machine of their own."""

    email: str
    token: str
    home: Path
    folder: Path
    more: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    """All that the commands have written."""

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts a command."""
        known = {name: value for name, value in os.environ.items() if not name.startswith(("CLOISTER_", "DECENTRIQ_"))}
        return subprocess.Popen(
            [sys.executable, "-m", "cloister.cli", *words],
            env={**known, "CLOISTER_HOME": str(self.home), "CLOISTER_TRUST_SOFTWARE_ENCLAVE": "1", **self.more},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def do(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """Runs a command: its exit code, standard output and standard error."""
        with self.start(*words) as process:
            output, errors = process.communicate(typed)
        self.said += [output, errors]
        return process.returncode, output, errors

    def well(self, *words: str, typed: str = "") -> str:
        """Runs a command that succeeds; its standard output."""
        code, output, errors = self.do(*words, typed=typed)
        assert code == 0, errors
        return output

    def told(self, *words: str) -> Any:
        """What a command says with --json."""
        return json.loads(self.well(*words, "--json"))

    def kept(self) -> bytes:
        """All that is on the machine."""
        return b"\0".join(file.read_bytes() for file in self.home.rglob("*") if file.is_file())


@pytest.fixture
def people(installation: Installation, tmp_path: Path) -> dict[str, Person]:
    """Three users who were never here before, logged in; the lab with a passphrase."""
    found = {}
    for role in ROLES:
        email, folder = f"{role}-{tmp_path.name}@cli.example".lower(), tmp_path / role
        folder.mkdir()
        person = Person(email, installation.token(email), tmp_path / f"{role}.home", folder)
        if role == "lab":
            person.more["CLOISTER_DEVICE_PASSPHRASE"] = PASSPHRASE
        person.well("login", "--url", installation.url, email, typed=f"{person.token}\n")
        found[role] = person
    return found


def publish(installation: Installation, people: dict[str, Person], title: str, **scripts: str) -> str:
    """A room with one data node, of the lab, and computations over it, of the analyst; its id."""
    analyst = people["analyst"].email
    client = installation.client(analyst)
    builder = AnalyticsDcrBuilder(client=client).with_name(title).with_owner(analyst)
    builder.add_node_definition(RawDataNodeDefinition("text", is_required=True))
    for name, script in scripts.items():
        builder.add_node_definition(PythonComputeNodeDefinition(name, script, dependencies=["text"]))
    builder.add_participant(analyst, analyst_of=list(scripts))
    builder.add_participant(people["lab"].email, data_owner_of=["text"])
    return client.publish_analytics_dcr(builder.build()).id


@contextlib.contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens inside, it doesn't outlive the test."""
    with process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.slow
def test_two_users_and_a_stranger(installation: Installation, people: dict[str, Person]) -> None:
    analyst, lab, eve = people["analyst"], people["lab"], people["eve"]
    room = publish(installation, people, "Two users of commands", upper=UPPER, fails="raise ValueError('oh no')")
    (lab.folder / "text.txt").write_text("some text of the lab's")

    # The data.
    assert [step["action"] for step in lab.told("room", "show", "Two users", "--trust-software")["next"]] == ["attach"]
    code, digest, errors = lab.do("data", "attach", room[:8], "text", "text.txt")
    assert (code, len(digest.strip())) == (0, 64)
    assert f"upper reads it, for {analyst.email}" in errors
    assert [each["hash"] for each in lab.told("data", "list")["datasets"]] == [digest.strip()]

    # The result.
    ran = analyst.told("run", room[:8], "upper", "--extract", "out", "-o", "upper.zip", "--receipt", "receipt.json")
    assert (ran["room"], ran["node"], ran["files"]) == (room, "upper", ["upper.txt"])
    assert (analyst.folder / "out/upper.txt").read_text() == "SOME TEXT OF THE LAB'S"
    assert zipfile.ZipFile(analyst.folder / "upper.zip").read("upper.txt") == b"SOME TEXT OF THE LAB'S"
    assert json.loads((analyst.folder / "receipt.json").read_text())["payloadType"] == "application/vnd.in-toto+json"
    assert analyst.told("result", "get", room[:8], "upper", "-o", "again.zip")["job"] == ran["job"]
    code, _, errors = analyst.do("run", room[:8], "fails")
    assert (code, "ValueError" in errors) == (3, True)
    assert not (analyst.folder / "fails.zip").exists()

    # What isn't theirs.
    assert lab.do("run", room, "upper")[0] == 4
    assert lab.do("result", "get", room, "upper")[0] == 4
    assert lab.do("room", "stop", room, "--yes")[0] == 4
    assert analyst.do("data", "detach", room, "text")[0] == 4
    assert eve.do("room", "show", room)[0] == 1
    assert eve.do("audit", "Two users")[0] == 1
    assert eve.do("login", "--url", installation.url, eve.email, typed="wrong\n")[0] == 4
    assert eve.told("room", "list") == {"rooms": []}

    # The end.
    code, _, errors = lab.do("data", "rm", "text.txt")
    assert (code, "detach" in errors) == (1, True)
    lab.well("data", "detach", room, "text")
    lab.well("data", "rm", "text.txt")
    assert lab.told("data", "list") == {"datasets": []}
    assert analyst.do("result", "get", room, "upper", "-o", "gone.zip")[0] == 1
    kinds = [event["body"]["type"] for event in lab.told("audit", room)["events"]]
    assert kinds[0] == "published"
    assert {"dataset_attached", "run_finished", "run_failed", "result_fetched", "dataset_removed"} <= set(kinds)
    assert "Dataset has been removed from text" in analyst.well("audit", room)

    # Nobody was told a token, and the lab's machine has nothing that opens without the passphrase.
    told = "".join(text for person in people.values() for text in person.said) + "".join(installation.log)
    assert not [person.email for person in people.values() if person.token in told]
    assert PASSPHRASE not in told
    assert lab.token.encode() not in lab.kept()
    assert PASSPHRASE.encode() not in lab.kept()
    assert b"BEGIN PRIVATE KEY" not in lab.kept()
    del lab.more["CLOISTER_DEVICE_PASSPHRASE"]
    assert lab.do("whoami")[0] == 1


@pytest.mark.slow
def test_an_upload_that_is_killed_goes_on(installation: Installation, people: dict[str, Person]) -> None:
    lab = people["lab"]
    file = lab.folder / "large.bin"
    file.write_bytes(os.urandom((PARTS - 1) * PART_SIZE + 7))
    uploads = lab.home / "uploads"
    process = lab.start("data", "put", "large.bin")
    with killed(process):
        # Nobody tells of a part that has arrived but this record: so it is read, over and over.
        while process.poll() is None and sum(each.read_bytes().count(b"\n") for each in uploads.glob("*.jsonl")) < 3:
            pass
        process.kill()
    assert process.returncode == -signal.SIGKILL
    lines = [json.loads(line) for line in next(uploads.glob("*.jsonl")).read_bytes().splitlines()]
    then = lab.kept()

    digest = lab.well("data", "put", "large.bin").strip()
    with contextlib.closing(Hub(installation.url, lab.token)) as hub:
        stored = {part.index: part.sha256 for part in hub.blob(lines[0]["dataset"]).parts}
    # Encrypting never gives the same bytes twice: what is the same was not sent again.
    assert {line["index"]: line["part"]["sha256"] for line in lines[1:]}.items() <= stored.items()
    assert len(stored) == PARTS
    lab.well("data", "get", digest, "-o", "back.bin")
    assert (lab.folder / "back.bin").read_bytes() == file.read_bytes()
    assert not list(uploads.glob("*.jsonl"))
    assert not list((lab.home / "pending").glob("*.json"))
    assert PASSPHRASE.encode() not in then
    lab.well("data", "rm", digest)


@pytest.mark.slow
def test_whoever_stops_waiting_does_not_stop_the_run(installation: Installation, people: dict[str, Person]) -> None:
    analyst, lab = people["analyst"], people["lab"]
    room = publish(installation, people, "Somebody waits", forever="while True: pass")
    (lab.folder / "text.txt").write_text("x")
    lab.well("data", "attach", "Somebody", "text", "./text.txt")
    process = analyst.start("run", "Somebody", "forever")
    with killed(process):
        assert process.stderr is not None
        while "running" not in (line := process.stderr.readline()):
            assert line, "it has ended"
        process.send_signal(signal.SIGINT)
        assert f"cloister result get {room[:8]} forever" in process.stderr.read()
        assert process.wait() == 130
    code, _, errors = analyst.do("result", "get", "Somebody", "forever", "--timeout", "0.5")
    assert (code, "The run goes on" in errors) == (1, True)
    analyst.well("cancel", "Somebody", "forever")
    code, _, errors = analyst.do("result", "get", "Somebody", "forever")
    assert (code, "cancelled" in errors) == (1, True)
    lab.well("data", "detach", "Somebody", "text")
