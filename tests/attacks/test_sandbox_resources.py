"""Scripts that take all they can, or don't want to end: each must be stopped, named, and leave nothing behind."""

from __future__ import annotations

import threading

import msgspec
import pytest

from cloister.rooms.limits import MIB
from tests.containers import SMALL, Machine

SOON = msgspec.structs.replace(SMALL, wall_seconds=1)

ROOMY = msgspec.structs.replace(SMALL, memory_bytes=512 * MIB)  # for what needs memory besides

BOMBS = {
    "memory": ("memory", "held = []\nwhile True: held.append(bytearray(1 << 20))"),
    "memory in children": (
        "memory",
        "import os\n[os.fork() for _ in range(3)]\nheld = []\nwhile True: held.append(bytearray(1 << 20))",
    ),
    "memory caught": (
        "memory",
        "held = []\nwhile True:\n    try: held.append(bytearray(1 << 20))\n    except MemoryError: pass",
    ),
    "memory of a child that is waited for": (
        "memory",
        """
import multiprocessing
def eat(_):
    held = []
    while True:
        held.append(bytearray(1 << 20))
with multiprocessing.Pool(2) as pool:
    pool.map(eat, range(2))
""",
    ),
    "memfd": (
        "memory",
        "import os\nwhile True:\n    fd = os.memfd_create('x')\n    for _ in range(64): os.write(fd, bytes(1 << 20))",
    ),
    "locked pages": (
        "memory",
        "import mmap\nheld = []\nwhile True: held.append(mmap.mmap(-1, 1 << 20)); held[-1].write(bytes(1 << 20))",
    ),
    "shared memory": (
        "scratch",
        """
from multiprocessing.shared_memory import SharedMemory
held = []
while True:
    held.append(SharedMemory(create=True, size=1 << 20))
    held[-1].buf[:] = bytes(1 << 20)
""",
    ),
    "tmp": ("scratch", "import itertools\nfor n in itertools.count(): open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))"),
    "tmp inodes": ("scratch", "import itertools\nfor n in itertools.count(): open(f'/tmp/{n}', 'wb')"),
    "tmp links": (
        "scratch",
        "import itertools, os\nopen('/tmp/a', 'w')\nfor n in itertools.count(): os.link('/tmp/a', f'/tmp/{n}')",
    ),
    "output": (
        "output size",
        "import itertools\nfor n in itertools.count(): open(f'/output/{n}', 'wb').write(bytes(1 << 20))",
    ),
    "output inodes": ("output files", "import itertools, os\nfor n in itertools.count(): os.mkdir(f'/output/{n}')"),
    "forks": ("pids", "import os\nwhile True: os.fork()"),
    "threads": (
        "pids",
        """
import threading
held = threading.Event()
while True:
    threading.Thread(target=held.wait, daemon=True).start()
""",
    ),
    "sleep": ("wall time", "import time\ntime.sleep(1000)"),
    "flood": (
        "wall time",
        # gVisor's write to a full pipe says now and then that it would block, where the kernel's would.
        """
import os
while True:
    try:
        os.write(1, b'x' * 65536)
    except BlockingIOError:
        pass
""",
    ),
    "SIGTERM": (
        "wall time",
        """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    pass
""",
    ),
    "stopped": ("wall time", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    "a full report pipe": (
        "wall time",
        "import os\nos.set_blocking(3, True)\nwhile True: os.write(3, b'x' * 65536)",
    ),
    "waiting for input": ("wall time", "import os, sys\nsys.stdin.read()\nos.read(os.pipe()[0], 1)"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(machine: Machine, bomb: str) -> None:
    limit, script = BOMBS[bomb]
    limits = {"wall time": SOON, "pids": ROOMY}.get(limit, SMALL)
    ran = machine.run(script, limits=limits)
    assert ran.run.limit == limit, (ran.error, ran.log)
    assert ran.error is not None
    assert f"limit on {limit}" in ran.error
    assert ran.outcome.wall_seconds < 12
    assert len(ran.outcome.log) <= limits.log_bytes


def test_fork_bomb_in_the_background_ends_with_its_script(machine: Machine) -> None:
    """Daemons in sessions of their own, forking as they go: when the script is over, so are they."""
    script = """
import os
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        while True:
            try:
                if len(os.listdir("/proc")) < 40:
                    os.fork()
            except OSError:
                pass
open("/output/done", "w")
os._exit(0)
"""
    ran = machine.run(script)
    assert ran.error is None
    assert ran.files == {"done": b""}
    assert ran.outcome.wall_seconds < 10


def test_a_daemon_that_keeps_the_log_open(machine: Machine) -> None:
    script = "import os, signal\nif os.fork() == 0:\n    os.setsid()\n    signal.pause()\nprint('over')"
    ran = machine.run(script)
    assert ran.error is None
    assert ran.log == "over\n"


def test_closing_the_log_does_not_confuse_anybody(machine: Machine) -> None:
    ran = machine.run("import os, time\nos.close(1); os.close(2); os.close(3); time.sleep(0.3); open('/output/x', 'w')")
    assert ran.error is None
    assert ran.files == {"x": b""}


def test_a_flood_is_taken_in_without_stalling(machine: Machine) -> None:
    script = """
print("first")
for _ in range(300):
    print(end="x" * (1 << 20))
print("\\nlast")
"""
    ran = machine.run(script)
    assert ran.error is None
    assert len(ran.outcome.log) <= SMALL.log_bytes
    assert ran.log.startswith("first\nxxx")
    assert ran.log.endswith("xxx\nlast\n")
    assert "bytes left out" in ran.log


@pytest.mark.parametrize("_time", range(3))
def test_what_it_prints_waits_for_its_reader(machine: Machine, _time: int) -> None:
    ran = machine.run("import os\nprint([os.get_blocking(stream) for stream in range(3)])")
    assert ran.log == "[True, True, True]\n"


def test_withdrawing_a_computation(machine: Machine) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.3, cancelled.set)
    timer.start()
    ran = machine.run("while True: pass", cancelled=cancelled)
    timer.join()
    assert ran.outcome.cancelled
    assert ran.outcome.wall_seconds < 5
    assert ran.run.limit is None
    assert ran.error == "The computation was withdrawn before it ended."


def test_withdrawn_before_it_began(machine: Machine) -> None:
    cancelled = threading.Event()
    cancelled.set()
    assert machine.run("while True: pass", cancelled=cancelled).outcome.cancelled


def test_time_is_shared_by_the_processor_limit(machine: Machine) -> None:
    limits = msgspec.structs.replace(SMALL, cpus=0.2)
    script = (
        "import time\nend, before = time.monotonic() + 1, time.process_time()\n"
        "while time.monotonic() < end: pass\nprint(time.process_time() - before)"
    )
    ran = machine.run(script, limits=limits)
    assert ran.error is None
    assert float(ran.log) < 0.6


def test_wishes_for_attention_in_a_report(machine: Machine) -> None:
    """The report's pipe is the script's to write: made-up words, too much, rubbish. None of it reaches the error."""
    word = "patient4711"
    for payload in (
        '{"version": 1, "frames": [{"file": "WORD", "line": 1, "function": ""}], "module": "", "exception": "WORD"}',
        '{"version": 1, "frames": [], "module": "builtins", "exception": "ValueError", "WORD": 1}',
        "WORD" * 9_000,
        "WORD\0\x01",
    ):
        script = f"""
import os
word = "patient" + str(4711)
os.set_blocking(3, False)
os.write(3, {payload!r}.replace("WORD", word).encode())
os._exit(1)
"""
        ran = machine.run(script)
        assert ran.error is not None
        assert word not in ran.error
        assert word in ran.outcome.report.decode()


def test_data_in_class_function_and_file_names(machine: Machine) -> None:
    script = """
secret = "".join(map(chr, (112, 97, 116, 105, 101, 110, 116)))
namespace = {}
error = f"type('{secret}_c', (Exception,), {{'__module__': '{secret}_m'}})"
exec(compile(f"def {secret}_f(): raise {error}('{secret}')", f"/tmp/{secret}.py", "exec"), namespace)
namespace[f"{secret}_f"]()
"""
    ran = machine.run(script)
    assert ran.error == (
        "The script failed.\nTraceback (most recent call last):\n"
        '  File "/input/code/main.py", line 6, in <module>\nException: (message withheld)'
    )
    assert "patient" in ran.log
