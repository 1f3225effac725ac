"""How far transfers are: bars where somebody looks, a function where a program wants to know, else nothing."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import termios

import pytest

import cloister
from cloister.analytics import PythonComputeNode, RawDataNode
from cloister.errors import BadRequestError
from cloister.formats.dataset import PART_SIZE
from cloister.sdk.key import Key
from cloister.sdk.progress import Reporter, TransferProgress, reporter
from cloister.sdk.uploads import Transfers
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience

from .conftest import OWNER, World, definition

SIZE = 2 * PART_SIZE + 5


def transfers(world: World, how: Reporter) -> Transfers:
    hub = Hub(world.url, world.hub.add_user(OWNER))
    world.clients.callback(hub.close)
    return Transfers(hub, Patience(pauses=()), how)


def test_a_function_is_told_of_each_part(world: World) -> None:
    told: list[TransferProgress] = []
    moving = transfers(world, Reporter(told.append))
    key = Key()
    manifest = moving.upload(io.BytesIO(bytes(SIZE)), key, "data.csv", parallel=1)
    assert [each.done for each in told] == [PART_SIZE, 2 * PART_SIZE, SIZE]
    assert {(each.direction, each.name, each.total) for each in told} == {("upload", "data.csv", SIZE)}
    told.clear()
    with moving.stream(manifest, key.material, "result.zip") as pieces:
        assert sum(map(len, pieces)) == SIZE
    assert [each.done for each in told] == [PART_SIZE, 2 * PART_SIZE, SIZE]
    assert {(each.direction, each.name, each.total) for each in told} == {("download", "result.zip", SIZE)}


def test_a_total_that_nobody_knows(world: World) -> None:
    class Endless(io.RawIOBase):
        """Like a pipe: nothing tells how much there is."""

        def __init__(self) -> None:
            self.left = [b"ab", b"c"]

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    told: list[TransferProgress] = []
    transfers(world, Reporter(told.append)).upload(Endless(), Key())  # type: ignore[arg-type]
    assert told == [TransferProgress("upload", "", 3, None)]


def test_what_the_function_raises_ends_the_transfer(world: World) -> None:
    def enough(progress: TransferProgress) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        transfers(world, Reporter(enough)).upload(bytes(SIZE), Key(), parallel=1)
    assert world.hub.blobs == {}


def test_a_client_tells_of_both_ways(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_URL", world.url)
    monkeypatch.setenv("CLOISTER_HOME", str(world.folder / "home"))
    told: list[TransferProgress] = []
    token = world.hub.add_user(OWNER)
    with cloister.create_client(OWNER, token, trust_software_enclave=True, progress=told.append) as client:
        room = client.publish_analytics_dcr(definition(client))
        text, upper = room.get_node("text"), room.get_node("upper")
        assert isinstance(text, RawDataNode)
        assert isinstance(upper, PythonComputeNode)
        text.upload_and_publish_dataset(io.BytesIO(b"data"), Key(), "my-data.txt")
        assert told == [TransferProgress("upload", "my-data.txt", 4, 4)]
        raw = upper.run_computation_and_get_results_as_bytes()
    assert told[1:] == [TransferProgress("download", "upper.zip", len(raw), len(raw))]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "wanted", "terminal", "shown"),
    [
        ({}, None, True, True),
        ({}, None, False, False),
        ({}, False, True, False),
        ({}, True, False, True),
        ({"CLOISTER_PROGRESS": "0"}, None, True, False),
        ({"CLOISTER_PROGRESS": "1"}, None, False, True),
        ({"CLOISTER_PROGRESS": ""}, None, True, True),
        ({"CLOISTER_PROGRESS": "0"}, True, False, True),
        ({"CLOISTER_PROGRESS": "1"}, False, True, False),
    ],
)
def test_who_decides(
    environ: dict[str, str], wanted: bool | None, terminal: bool, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with reporter(environ, wanted).transfer("upload", "data.csv", 100) as told:
        told(50)
        told(50)
    # A bar appears only where it takes a while.
    assert reporter(environ, wanted)._way is shown
    assert stream.getvalue().strip() == ""


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(BadRequestError, match="TransferProgress"):
        reporter({}, "yes")  # type: ignore[arg-type]


def test_a_program_without_standard_error() -> None:
    program = (
        "import sys; sys.stderr = None; from cloister.sdk.progress import reporter; print(reporter({}, None)._way)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_a_terminal_shows_name_share_speed_and_time_left() -> None:
    """On a real terminal, in a process of its own; nothing of it reaches standard output, and nothing stays."""
    program = """
import time
from cloister.sdk.progress import reporter
with reporter({}, None).transfer("upload", "data.csv", 4 * 2**20) as told:
    for _ in range(3):
        time.sleep(0.3)
        told(2**20)
print("done")
"""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read() == "done\n"
    text = shown.decode()
    assert "upload data.csv:  75%" in text
    assert "3.00M/4.00M" in text
    assert "B/s]" in text
    assert text.endswith("\r")
