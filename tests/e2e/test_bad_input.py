"""What bad input gets: an error of the documented class that says what to do; nothing lost, nothing leaked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from cloister.analytics import AnalyticsDcrBuilder, FileContent, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.cli.operators.layout import Layout
from cloister.errors import (
    BadRequestError,
    CloisterError,
    DefinitionInvalid,
    EnclaveError,
    EvidenceRejected,
    NotFoundError,
    TimedOut,
)
from cloister.formats.dataset import PART_SIZE, Manifest, commit_key
from cloister.protocol import AttachDataset, Request
from cloister.rooms.limits import MIB, Limits
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.definitions import NodeDefinition
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import upload
from tests.installation import Installation, attach, compute_node, data_node, run

OWNER, ANALYST, STRANGER = (f"{name}@bad.example" for name in ("owner", "analyst", "stranger"))
CANARY = b"canary-0d7c5b5e"
"""Data that must not be in any error."""


def python(name: str, script: str, *dependencies: str, **fields: object) -> PythonComputeNodeDefinition:
    """A computation."""
    return PythonComputeNodeDefinition(name, script=script, dependencies=dependencies, **fields)  # type: ignore[arg-type]


def publish(client: Client, *nodes: NodeDefinition) -> AnalyticsDcr:
    """A room in which that user has every role, and a stranger to the data none."""
    builder = AnalyticsDcrBuilder(client=client).with_name("Bad input").with_owner(client.user_email)
    builder.add_node_definitions(nodes)
    owned = [node.id for node in nodes if isinstance(node, RawDataNodeDefinition)]
    run = [node.id for node in nodes if not isinstance(node, RawDataNodeDefinition)]
    builder.add_participant(client.user_email, data_owner_of=owned, analyst_of=run)
    return client.publish_analytics_dcr(builder.build())


def fails(room: AnalyticsDcr, node: str) -> str:
    """Runs a computation that fails; what its analyst is told."""
    with pytest.raises(EnclaveError) as caught:
        run(room, node)
    assert CANARY.decode() not in caught.value.message
    return caught.value.message


@pytest.fixture(scope="module")
def client(installation: Installation) -> Client:
    return installation.client(OWNER)


# --- scripts ----------------------------------------------------------------------------------------------------------

READ = "data = open('/input/data').read()\n"
SMALL: dict[str, object] = {"memory_bytes": 96 * MIB, "output_bytes": MIB, "output_files": 5, "scratch_bytes": MIB}

FAILING: dict[str, tuple[str, str]] = {
    "exit code": ("import sys\nsys.exit(37)", r"exited with a non-zero code"),
    "exit message": ("import sys\nsys.exit(open('/input/data').read())", r"exited with a non-zero code|SystemExit"),
    "own exit code": (f"{READ}import os\nos._exit(ord(data[0]))", r"exited with a non-zero code"),
    "signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", r"crashed, or was ended by a signal"),
    "abort": ("import os\nos.abort()", r"crashed, or was ended by a signal"),
    "builtin error": (
        f"{READ}def divide(value):\n    raise ZeroDivisionError(value)\n\ndivide(data)\n",
        r'main.py", line 5, in <module>\n  File "/input/code/main.py", line 3, in divide\nZeroDivisionError: \(mess',
    ),
    "own error": (f"{READ}class TooFew(Exception):\n    pass\nraise TooFew(data)\n", r"\nTooFew: \(message withheld\)"),
    "made-up error": (f"{READ}raise type(data, (Exception,), {{}})()\n", r"\nException: \(message withheld\)"),
    "chained": (f"{READ}try:\n    int(data)\nexcept ValueError as e:\n    raise KeyError(data) from e\n", r"KeyError"),
    "syntax": ("x = = 1\n", r"SyntaxError: \(message withheld\)"),
    "missing library": ("import tensorflow\n", r"ModuleNotFoundError: \(message withheld\)"),
    "missing file": ("open('/input/no such file')\n", r"FileNotFoundError: \(message withheld\)"),
    "reading back": ("open('/input/data', 'a')\n", r"(OSError|PermissionError): \(message withheld\)"),
    "pandas error": (
        "import pandas as pd\npd.read_csv('/input/data').merge(pd.DataFrame(), on='x')\n",
        r"KeyError: \(message withheld\)|pandas.errors.\w+: \(message withheld\)",
    ),
    "prints and fails": (f"{READ}print(data)\nimport sys\nprint(data, file=sys.stderr)\n1 / 0\n", r"ZeroDivisionError"),
    "link": ("import os\nos.symlink('/input/data', '/output/link')\n", r"a symbolic link"),
    "fifo": ("import os\nos.mkfifo('/output/fifo')\n", r"PermissionError: \(message withheld\)"),
}
LIMITED: dict[str, tuple[str, dict[str, float], str]] = {
    "memory": ("x = bytearray(1024 ** 3)\nfor i in range(0, len(x), 4096): x[i] = 1\n", {}, r"limit on memory"),
    "time": ("import time\ntime.sleep(3600)\n", {"wall_seconds": 1}, r"limit on wall time \(1 seconds\)"),
    "processes": (
        "import os, time\nfor _ in range(100):\n    if os.fork() == 0:\n        time.sleep(3600)\n",
        {"pids": 8},
        r"limit on pids \(8 processes",
    ),
    "output size": ("open('/output/x', 'wb').write(bytes(2 << 20))\n", {}, r"limit on output size"),
    "output files": ("for n in range(9): open(f'/output/{n}', 'w').close()\n", {}, r"limit on output files"),
    "scratch": ("open('/tmp/x', 'wb').write(bytes(2 << 20))\n", {}, r"limit on scratch"),
}


@pytest.fixture(scope="module")
def scripts(client: Client) -> AnalyticsDcr:
    """A room with all the scripts that fail, over data that must not be told."""
    room = publish(
        client,
        RawDataNodeDefinition("data", is_required=True),
        *(python(name, script, "data") for name, (script, _) in FAILING.items()),
        *(
            python(f"limit of {name}", script, "data", limits=Limits(**{**SMALL, **limits}))  # type: ignore[arg-type]
            for name, (script, limits, _) in LIMITED.items()
        ),
        python("below", "pass", "builtin error"),
        python("console", f"{READ}print('seen:', len(data))\n1 / 0", "data", enable_logs_on_error=True),
        python("log", f"{READ}print('seen:', len(data))", "data", enable_logs_on_success=True),
        python("no log", f"{READ}print(data)", "data"),
    )
    attach(room, "data", CANARY)
    return room


@pytest.mark.parametrize("name", FAILING)
def test_a_script_that_fails(scripts: AnalyticsDcr, name: str) -> None:
    told = fails(scripts, name)
    assert told.startswith(f"The computation '{name}' failed. ")
    assert re.search(FAILING[name][1], told), told


@pytest.mark.parametrize("name", LIMITED)
def test_a_script_that_wants_too_much(scripts: AnalyticsDcr, name: str) -> None:
    told = fails(scripts, f"limit of {name}")
    assert re.search(LIMITED[name][2], told), told
    assert "publish a room that allows more" in told


def test_a_dependency_that_fails_is_named(scripts: AnalyticsDcr) -> None:
    told = fails(scripts, "below")
    assert told.startswith("The computation 'builtin error' failed. ")


def test_the_console_of_a_failed_script_is_shown_where_the_room_says_so(scripts: AnalyticsDcr) -> None:
    told = fails(scripts, "console")
    assert f"seen: {len(CANARY)}" in told
    assert "ZeroDivisionError" in told


def test_the_largest_console_fits_into_a_message(client: Client) -> None:
    """Of characters that take the most room once they are made fit to be shown."""
    loud = python(
        "loud", "print('\\x01' * (8 << 20))\n1 / 0", enable_logs_on_error=True, limits=Limits(log_bytes=4 * MIB)
    )
    told = fails(publish(client, loud), "loud")
    assert told.count("\N{REPLACEMENT CHARACTER}") > 3 * MIB
    assert "ZeroDivisionError" in told


def test_the_console_of_a_script_is_in_the_result_where_the_room_says_so(scripts: AnalyticsDcr) -> None:
    assert run(scripts, "log").read("container.log").strip() == f"seen: {len(CANARY)}".encode()
    assert run(scripts, "no log").namelist() == []


def test_failures_are_in_the_log_without_their_reasons(scripts: AnalyticsDcr) -> None:
    fails(scripts, "builtin error")
    lines = [line for line in scripts.retrieve_audit_log().splitlines() if ",fail run," in line]
    assert lines
    assert not any("ZeroDivisionError" in line for line in lines)


# --- definitions ------------------------------------------------------------------------------------------------------


def data(name: str, *, required: bool = True) -> RawDataNodeDefinition:
    return RawDataNodeDefinition(name, is_required=required)


BROKEN: dict[str, tuple[Callable[[], Sequence[NodeDefinition]], str]] = {
    "slash": (lambda: [data("a/b")], r"The name 'a/b' is not allowed: a node's name starts with"),
    "dots": (lambda: [data("..")], "is not allowed"),
    "newline": (lambda: [data("a\n")], "is not allowed"),
    "empty": (lambda: [data("")], "is not allowed"),
    "leading digit": (lambda: [data("1st")], "is not allowed"),
    "trailing space": (lambda: [data("a ")], "is not allowed"),
    "not ASCII": (lambda: [data("Männer")], "is not allowed"),
    "too long": (lambda: [data("a" * 129)], "is not allowed"),
    "same name": (lambda: [data("a"), RawDataNodeDefinition("a", is_required=True, id="b")], "Two nodes are called"),
    "same id": (lambda: [data("a"), RawDataNodeDefinition("b", is_required=True, id="a")], "Two nodes have the id"),
    "cycle": (lambda: [python("a", "pass", "b"), python("b", "pass", "a")], "depends on itself"),
    "own input": (lambda: [python("a", "pass", "a")], "depends on itself"),
    "unknown input": (lambda: [python("a", "pass", "b")], "'b', which is not in the room"),
    "same input twice": (lambda: [data("a"), python("b", "pass", "a", "a")], "lists a dependency twice"),
    "empty script": (lambda: [python("a", " \n")], "The script of 'a' is empty"),
    "script of bytes": (
        lambda: [PythonComputeNodeDefinition("a", script=b"x = '\xff'")],
        r"The script of 'a' is not text in UTF-8 \(byte 5 can't be read\)",
    ),
    "file of bytes": (lambda: [python("a", "pass", additional_files=[FileContent("f", b"\xff")])], "not text in UTF-8"),
    "file above": (lambda: [python("a", "pass", additional_files=[FileContent("../f", "")])], "isn't allowed"),
    "file absolute": (lambda: [python("a", "pass", additional_files=[FileContent("/f", "")])], "isn't allowed"),
    "file twice": (lambda: [python("a", "pass", additional_files=[FileContent("f", "")] * 2)], "is there twice"),
    "file and folder": (
        lambda: [python("a", "pass", additional_files=[FileContent("f", ""), FileContent("f/g", "")])],
        "an additional file and a folder",
    ),
    "code": (
        lambda: [data("code"), python("a", "pass", "code", additional_files=[FileContent("f", "")])],
        "can't depend on a node called 'code'",
    ),
    "no memory": (lambda: [python("a", "pass", limits=Limits(memory_bytes=0))], "A limit of 'a' is zero or less"),
    "huge": (lambda: [python("a", "#" * (17 * MIB))], "larger than 16 MiB. Move data out of it"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_definition_that_breaks_a_rule_is_not_published(client: Client, name: str) -> None:
    nodes, words = BROKEN[name]
    with pytest.raises(DefinitionInvalid, match=words):
        publish(client, *nodes())


def test_a_room_is_published_by_its_owner_alone(installation: Installation, client: Client) -> None:
    stranger = installation.client(STRANGER)
    builder = AnalyticsDcrBuilder(client=stranger).with_name("Not mine").with_owner(OWNER)
    definition = builder.add_node_definition(data("a")).build()
    with pytest.raises(BadRequestError, match=f"The room's owner is {OWNER}, and you are {STRANGER}"):
        stranger.publish_analytics_dcr(definition)
    assert "Not mine" not in [room["title"] for room in client.get_data_room_descriptions()]


def test_a_script_of_several_megabytes_is_no_trouble(client: Client) -> None:
    script = "#" * (4 * MIB) + "\nopen('/output/done', 'w').write('ü')\n"
    room = publish(client, python("large", script))
    assert run(room, "large").read("done").decode() == "ü"
    again = client.retrieve_analytics_dcr(room.id)
    node = again.node_definitions[0]
    assert isinstance(node, PythonComputeNodeDefinition)
    assert node.script == script
    assert ",publish," in again.retrieve_audit_log()


# --- rooms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ["00" * 32, "ab" * 32])
def test_unknown_rooms(client: Client, room: str) -> None:
    with pytest.raises(NotFoundError, match="no such room"):
        client.retrieve_analytics_dcr(room)


@pytest.mark.parametrize("room", ["", "x", "AB" * 32, "00" * 31, "00" * 32 + "\n", "../" + "00" * 32])
def test_ids_that_are_none(client: Client, room: str) -> None:
    with pytest.raises(NotFoundError, match="64 lower-case hexadecimal digits"):
        client.retrieve_analytics_dcr(room)


def test_rooms_of_others_are_not_listed(installation: Installation, scripts: AnalyticsDcr) -> None:
    assert installation.client(STRANGER).get_data_room_descriptions() == []


def test_software_evidence_must_be_allowed(installation: Installation, scripts: AnalyticsDcr) -> None:
    """Nothing is sent, not even encrypted, to an enclave that has not proven itself."""
    wary = installation.client(OWNER, allow_software=False)
    before = stored_files(installation)
    definition = (
        AnalyticsDcrBuilder(client=wary).with_name("A").with_owner(OWNER).add_node_definition(data("a")).build()
    )
    with pytest.raises(EvidenceRejected, match="set CLOISTER_TRUST_SOFTWARE_ENCLAVE=1"):
        wary.publish_analytics_dcr(definition)
    with pytest.raises(EvidenceRejected, match="set CLOISTER_TRUST_SOFTWARE_ENCLAVE=1"):
        wary.retrieve_analytics_dcr(scripts.id)
    assert stored_files(installation) == before


# --- datasets ---------------------------------------------------------------------------------------------------------

SUM = "open('/output/sum', 'w').write(str(sum(open('/input/data', 'rb').read())))"


@dataclass
class Shelf:
    """A room with one data node, and all that it takes to attach to it by hand."""

    installation: Installation
    client: Client
    room: AnalyticsDcr
    hub: Hub
    channel: Channel

    def upload(self, content: bytes, key: bytes) -> Manifest:
        return upload(self.hub, iter([content]), key, os.urandom(32).hex(), patience=Patience())

    def attach(self, manifest: Manifest, key: bytes) -> None:
        """Attaches without the checks that the SDK's own way makes needless."""
        body = AttachDataset(node="data", manifest=manifest, key=key, request=os.urandom(32).hex())
        device = open_device_key(StateFolder(self.installation.homes / OWNER), self.installation.url, OWNER)
        self.channel.ask(Request(body=body, room=self.room.id, user=OWNER), device)

    def remove(self) -> None:
        data_node(self.room, "data").remove_published_dataset()


@pytest.fixture(scope="module")
def hub(installation: Installation, client: Client) -> Iterator[Hub]:
    hub = Hub(installation.url, installation.token(OWNER))
    yield hub
    hub.close()


@pytest.fixture
def shelf(installation: Installation, client: Client, hub: Hub) -> Shelf:
    room = publish(client, data("data"), python("sum", SUM, "data"), python("below", "pass", "sum"))
    return Shelf(installation, client, room, hub, Channel(hub, allow_software=True))


def test_attaching_with_the_wrong_key(shelf: Shelf) -> None:
    manifest = shelf.upload(CANARY, b"k" * 32)
    with pytest.raises(BadRequestError, match=r"not the key that the dataset was encrypted with\. Use the key of its"):
        shelf.attach(manifest, b"w" * 32)
    assert shelf.room.status().attached == ()
    shelf.attach(manifest, b"k" * 32)
    assert run(shelf.room, "sum").read("sum") == str(sum(CANARY)).encode()


def test_attaching_somebody_elses_manifest(shelf: Shelf) -> None:
    """Whoever has come by a manifest has not come by the data."""
    theirs = shelf.upload(CANARY, os.urandom(32))
    mine = os.urandom(32)
    with pytest.raises(BadRequestError, match="not the key"):
        shelf.attach(theirs, mine)
    # With a commitment to another key that can't be noticed; but then nothing can be decrypted.
    forged = msgspec.structs.replace(theirs, commitment=commit_key(mine, theirs.dataset))
    shelf.attach(forged, mine)
    assert "The input 'data' is not what was attached: Part 0 can't be decrypted" in fails(shelf.room, "sum")


@pytest.mark.parametrize(
    "change",
    [
        {"size": 5},
        {"size": 2 * PART_SIZE},
        {"parts": ()},
        {"size": 0},
    ],
    ids=str,
)
def test_attaching_a_manifest_that_contradicts_itself(shelf: Shelf, change: dict[str, object]) -> None:
    manifest = shelf.upload(CANARY, b"k" * 32)
    with pytest.raises(BadRequestError, match="manifest"):
        shelf.attach(msgspec.structs.replace(manifest, **change), b"k" * 32)


def test_attaching_what_was_never_uploaded(shelf: Shelf) -> None:
    manifest = shelf.upload(CANARY, b"k" * 32)
    dataset = os.urandom(32).hex()
    moved = msgspec.structs.replace(manifest, dataset=dataset, commitment=commit_key(b"k" * 32, dataset))
    shelf.attach(moved, b"k" * 32)
    told = fails(shelf.room, "sum")
    assert "The input 'data'" in told
    assert "upload it again" in told


def test_attaching_what_was_deleted(shelf: Shelf) -> None:
    manifest = shelf.upload(CANARY, b"k" * 32)
    shelf.attach(manifest, b"k" * 32)
    shelf.hub.delete_blob(manifest.dataset)
    assert "The input 'data'" in fails(shelf.room, "sum")


def test_attaching_twice(shelf: Shelf) -> None:
    attach(shelf.room, "data", CANARY)
    with pytest.raises(BadRequestError, match=r"The data node 'data' already has a dataset\. Remove that one first"):
        attach(shelf.room, "data", b"another")
    assert run(shelf.room, "sum").read("sum") == str(sum(CANARY)).encode()
    shelf.remove()
    with pytest.raises(BadRequestError, match="has no dataset to remove"):
        shelf.remove()
    attach(shelf.room, "data", b"another")
    assert run(shelf.room, "sum").read("sum") == str(sum(b"another")).encode()


def test_a_key_that_is_none(shelf: Shelf) -> None:
    with pytest.raises(BadRequestError, match=r"The key must be a Key\. Make a fresh one with Key\(\)"):
        data_node(shelf.room, "data").upload_and_publish_dataset(b"x", b"k" * 32, "x")  # type: ignore[arg-type]


def test_a_required_input_that_is_missing(shelf: Shelf) -> None:
    for node in ("sum", "below"):
        with pytest.raises(BadRequestError, match=rf"'{node}' needs data that is not there yet: attach .* to 'data'"):
            run(shelf.room, node)
    assert ",start run," not in shelf.room.retrieve_audit_log()


def test_an_optional_input_that_is_absent(client: Client) -> None:
    script = "import os\nopen('/output/there', 'w').write(' '.join(sorted(os.listdir('/input'))))"
    room = publish(client, data("need"), data("may", required=False), python("look", script, "need", "may"))
    attach(room, "need", b"x")
    assert "may" not in run(room, "look").read("there").decode().split()
    attach(room, "may", b"y")
    assert {"need", "may"} <= set(run(room, "look").read("there").decode().split())


class TestStoredParts:
    """Somebody who has the hub's disk changes ciphertext: the run fails and names the input."""

    @pytest.mark.parametrize("how", ["flipped", "truncated", "emptied", "gone"])
    def test_a_changed_part(self, shelf: Shelf, how: str) -> None:
        (file,) = new_files(shelf.installation, lambda: attach(shelf.room, "data", CANARY))
        content = bytearray(file.read_bytes())
        match how:
            case "flipped":
                content[-1] ^= 1
            case "truncated":
                del content[-1]
            case "emptied":
                content.clear()
        file.write_bytes(content)
        if how == "gone":
            file.unlink()
        told = fails(shelf.room, "sum")
        assert "The input 'data'" in told
        assert "Remove it, upload it again" in told

    @pytest.mark.parametrize("how", ["reordered", "repeated", "the last one gone"])
    def test_parts_out_of_place(self, shelf: Shelf, how: str) -> None:
        size = 2 * PART_SIZE + 1
        files = new_files(shelf.installation, lambda: attach(shelf.room, "data", bytes(size)))
        first, second, last = sorted(files, key=lambda file: int(file.name.partition("-")[0]))
        parts = first.read_bytes(), second.read_bytes()
        match how:
            case "reordered":
                first.write_bytes(parts[1])
                second.write_bytes(parts[0])
            case "repeated":
                second.write_bytes(parts[0])
            case _:
                last.unlink()
        assert "The input 'data'" in fails(shelf.room, "sum")

    def test_a_part_of_another_dataset(self, shelf: Shelf) -> None:
        """Of the same room, key and size: the swap is noticed all the same."""
        key = b"k" * 32
        (mine,) = new_files(shelf.installation, lambda: shelf.attach(shelf.upload(b"mine", key), key))
        (other,) = new_files(shelf.installation, lambda: shelf.upload(b"else", key))
        mine.write_bytes(other.read_bytes())
        assert "The input 'data' is not what was attached" in fails(shelf.room, "sum")

    def test_a_changed_result(self, shelf: Shelf) -> None:
        """Noticed by the analyst, and by the computation that reads it."""
        attach(shelf.room, "data", CANARY)
        (file,) = new_files(shelf.installation, lambda: run(shelf.room, "sum"))
        content = bytearray(file.read_bytes())
        content[100] ^= 1
        file.write_bytes(content)
        with pytest.raises(CloisterError, match="Part 0 is not the one that was uploaded"):
            run(shelf.room, "sum")
        assert "The input 'sum'" in fails(shelf.room, "below")


class TestSizesAndNames:
    """Data that is odd, and must work."""

    def test_an_empty_dataset(self, shelf: Shelf) -> None:
        attach(shelf.room, "data", b"")
        assert run(shelf.room, "sum").read("sum") == b"0"

    @pytest.mark.parametrize("size", [PART_SIZE, 2 * PART_SIZE + 4 * MIB], ids=["one whole part", "20 MiB"])
    def test_a_dataset_of_several_parts(self, shelf: Shelf, size: int) -> None:
        content = (b"\x01\x02\x03\x00" * (size // 4))[:size]
        attach(shelf.room, "data", content)
        assert run(shelf.room, "sum").read("sum") == str(6 * (size // 4)).encode()

    def test_a_result_of_several_parts(self, client: Client) -> None:
        script = (
            "import random\nrandom.seed(7)\n"
            "for name in 'ab':\n    open(f'/output/{name}', 'wb').write(random.randbytes(10 << 20))\n"
        )
        room = publish(client, python("large", script), python("read", SUM.replace("data", "large/a"), "large"))
        archive = run(room, "large")
        assert archive.testzip() is None
        assert [entry.file_size for entry in archive.infolist()] == [10 * MIB, 10 * MIB]
        assert run(room, "read").read("sum") == str(sum(archive.read("a"))).encode()

    def test_odd_names(self, client: Client) -> None:
        names = ["A", "with space", "under_score-and-dash 2", "a" * 128, "CODE", "main", "input", "output"]
        script = (
            "import os\nfor name in os.listdir('/input'):\n"
            "    if name != 'code':\n"
            "        path = '/input/' + name\n"
            "        path += '/out.txt' if os.path.isdir(path) else ''\n"
            "        open('/output/' + name, 'w').write(open(path).read())\n"
        )
        room = publish(
            client,
            *(RawDataNodeDefinition(name, is_required=True, id=f"id.{index}") for index, name in enumerate(names)),
            python("A result - 1", "open('/output/out.txt', 'w').write('result')"),
            python("all of it", script, "A result - 1", *(f"id.{index}" for index in range(len(names)))),
        )
        for name in names:
            attach(room, name, name.encode())
        archive = run(room, "all of it")
        assert archive.filename == "all of it.zip"
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {
            **{name: name for name in names},
            "A result - 1": "result",
        }

    def test_additional_files_in_folders(self, client: Client) -> None:
        files = [
            FileContent("helpers/text/upper.py", "def upper(text):\n    return text.upper()\n"),
            FileContent("words/list 1.txt", "grün\n"),
            FileContent("main.py", "raise SystemExit('not the script')\n"),
        ]
        script = (
            "import sys\nsys.path.insert(0, '/input/code')\n"
            "from helpers.text.upper import upper\n"
            "open('/output/words', 'w').write(upper(open('/input/code/words/list 1.txt').read()))\n"
        )
        room = publish(client, python("nested", script, additional_files=files))
        assert run(room, "nested").read("words").decode() == "GRÜN\n"

    def test_a_computation_without_output(self, client: Client) -> None:
        assert run(publish(client, python("nothing", "pass")), "nothing").namelist() == []


# --- results ----------------------------------------------------------------------------------------------------------


def test_a_result_that_was_never_asked_for(shelf: Shelf) -> None:
    with pytest.raises(BadRequestError, match=r"'sum' was not run here\. Call run_computation\(\) first"):
        compute_node(shelf.room, "sum").get_results_as_zip()


def test_a_result_that_takes_longer_than_one_waits(client: Client) -> None:
    node = compute_node(
        publish(client, python("slow", "import time\ntime.sleep(60)", limits=Limits(wall_seconds=3))), "slow"
    )
    node.run_computation()
    with pytest.raises(TimedOut, match="What was started goes on"):
        node.get_results_as_bytes(timeout=0.2)
    with pytest.raises(EnclaveError, match="wall time"):
        node.get_results_as_bytes()


def stored_files(installation: Installation) -> set[Path]:
    """What lies in the hub's blob store."""
    folder = Layout(installation.data).hub_settings().blob_folder
    return {file for file in folder.rglob("*") if file.is_file()}


def new_files(installation: Installation, action: Callable[[], object]) -> list[Path]:
    """What has come to the hub's blob store by an action."""
    before = stored_files(installation)
    action()
    return sorted(stored_files(installation) - before)
