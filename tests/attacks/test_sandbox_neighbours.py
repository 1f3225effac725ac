"""Scripts that look for other tasks, for the machine, and for signs to give each other: earlier, later, beside them."""

from __future__ import annotations

import json
import secrets

import msgspec
import pytest

from cloister.rooms.limits import MIB
from tests.attacks.test_sandbox_kernel import FINDINGS, PRELUDE, x86_64_only
from tests.containers import SMALL, Machine

# Fills everything that a task can fill with its canary, its memory, log and names included.
FILL = """
import ctypes, mmap, os, sys, tempfile, threading
from multiprocessing.shared_memory import SharedMemory
canary = CANARY
for place in ("/tmp", "/scratch", "/output", "/dev/shm", tempfile.gettempdir(), os.path.expanduser("~")):
    for n in range(20):
        with open(f"{place}/{canary}-{n}", "w") as file:
            file.write(canary * 1000)
shared = SharedMemory(canary, create=True, size=1 << 20)
shared.buf[:] = (canary * (1 << 20))[:1 << 20].encode()
descriptor = os.memfd_create(canary)
os.write(descriptor, canary.encode() * 40_000)
anonymous = mmap.mmap(-1, 1 << 20)
anonymous.write((canary * (1 << 20))[:1 << 20].encode())
held = [canary * 1000 + str(n) for n in range(1000)]
os.environ[canary] = canary
sys.modules[canary] = sys
ctypes.CDLL(None).prctl(15, canary.encode(), 0, 0, 0)
threading.Thread(name=canary, target=lambda: None).start()
print(canary * 100)
print(canary * 100, file=sys.stderr)
"""
# It needs nothing of the canary but its form, so that it can't find its own copy.
SEARCH = (
    PRELUDE
    + r"""
import re
form = re.compile(rb"canary[0-9a-f]{16}")
hits, read = [], 0

def look(where, content):
    if form.search(content):
        hits.append(where)

look("names", "\0".join([*os.environ, *os.environ.values(), *sys.modules, *sys.argv, *sys.path]).encode())
for folder, folders, names in os.walk("/"):
    look(folder, "\0".join(folders + names).encode("utf-8", "surrogateescape"))
    if folder == "/proc":
        folders[:] = ["1", str(os.getpid()), "self"]
    # Of the image, all but its libraries, which are large and the same for everybody.
    folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]
    for name in names:
        path = os.path.join(folder, name)
        if path.endswith(("/mem", "/pagemap", "/code/main.py")):
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            look(path, os.read(descriptor, 4 << 20))
            look(path + " attributes", b"".join(os.getxattr(descriptor, each) for each in os.listxattr(descriptor)))
        except OSError:
            pass
        finally:
            os.close(descriptor)
        read += 1
held = mmap.mmap(-1, 48 << 20)  # what the kernel hands out again
for start in range(0, len(held), 4096):
    held[start]
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in maps:
        place, rights, *_ = line.split()
        start, end = (int(number, 16) for number in place.split("-"))
        if rights.startswith("r") and "[v" not in line:
            memory.seek(start)
            try:
                look(line, memory.read(end - start))
            except OSError:
                pass
found.update(hits=hits, thorough=read > 300)
""".replace("SKIPPED", '("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib", "/usr/share")')
    + FINDINGS
)


def canary() -> str:
    return f"canary{secrets.token_hex(8)}"


def test_the_search_finds_what_is_there(machine: Machine) -> None:
    """Otherwise the others here would show nothing."""
    here = canary()
    seen = machine.run(SEARCH, inputs={"data": here.encode()}).json()
    assert "/input/data" in seen["hits"]
    # Not printed: what it prints is the answer here.
    fill = FILL.replace("CANARY", repr(here)).replace("print(", "str(").replace(", file=sys.stderr", "")
    # A warning about shared memory that is left comes after it.
    hits = json.loads(machine.run(fill + SEARCH).log.splitlines()[0])["hits"]
    assert {"names", "/tmp", "/dev/shm", f"/tmp/{here}-0", f"/dev/shm/{here}"} <= set(hits)
    assert any("[heap]" in hit for hit in hits)


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "raise ValueError(canary)",
        "os._exit(3)",
        "os.abort()",
        "held = []\nwhile True: held.append(canary.encode() * 100_000)",
        "while True: open(f'/tmp/{len(os.listdir(\"/tmp\"))}', 'w').write(canary * 10_000)",
    ],
)
def test_nothing_of_a_task_reaches_the_next_however_it_ended(machine: Machine, end: str) -> None:
    machine.run(FILL.replace("CANARY", repr(canary())) + end)
    assert machine.run(SEARCH).json() == {"hits": [], "thorough": True}


def test_a_task_beside_does_not_show(machine: Machine) -> None:
    """Two at once, as two workers on one machine have them: the first waits while the second looks."""
    first = (
        FILL.replace("CANARY", repr(canary()))
        + "import fcntl\n"
        + ("locked = open('/usr/bin/python3')\nfcntl.flock(locked, fcntl.LOCK_EX)\n")
    )
    second = SEARCH.replace(
        "found.update",
        """
import fcntl
with open("/usr/bin/python3") as image:
    attempt("lock of the image", lambda: fcntl.flock(image, fcntl.LOCK_EX | fcntl.LOCK_NB))
found.update""",
    )
    with machine.running(first) as ended:
        assert ended.error is None, ended.outcome.log
        with machine.running(second) as run:
            assert run.error is None, run.outcome.log
            seen = json.loads(run.outcome.log)
    assert seen == {"lock of the image": None, "hits": [], "thorough": True}


def test_chance_is_fresh_in_every_task(machine: Machine) -> None:
    """Containers may be made ahead, but not as copies: random states, hash seeds and addresses are each one's own."""
    script = """
import ctypes, json, os, random, secrets, uuid
import numpy
print(json.dumps({
    "random": random.random(), "numpy": numpy.random.random(), "generator": numpy.random.default_rng().random(),
    "hash": hash("x"), "secrets": secrets.token_hex(8), "uuid": str(uuid.uuid4()),
    "library": ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value, "object": id(object()),
    "stack": open("/proc/self/stat").read().split()[27], "canary of the C library": os.urandom(16).hex(),
}))
"""
    one, other = machine.run(script).json(), machine.run(script).json()
    # The kernel hides the address of the stack from nobody but strangers: it is 0 or the task's own.
    assert {name for name in one if one[name] == other[name]} <= {"stack"}


def test_state_of_the_interpreter_is_fresh(machine: Machine) -> None:
    """What the first changes in what is imported already, the next must not find."""
    spoil = """
import builtins, json, os, random, sys, warnings
import numpy, pandas
builtins.open = numpy.array = pandas.read_csv = os.listdir = None
json.loads = lambda text: "spoilt"
builtins.spoilt = numpy.spoilt = sys.spoilt = True
sys.path.insert(0, "/tmp/spoilt"); os.chdir("/scratch"); os.umask(0); os.environ["SPOILT"] = "1"
warnings.simplefilter("ignore"); sys.setrecursionlimit(50_000); random.seed(1); numpy.random.seed(1)
pandas.set_option("display.max_rows", 7)
os.dup2(os.open("/tmp/kept", os.O_CREAT | os.O_RDWR), 50)
"""
    look = """
import builtins, json, os, sys
import numpy, pandas
umask = os.umask(0o22)
print(json.dumps([
    hasattr(builtins, "spoilt") or hasattr(numpy, "spoilt") or hasattr(sys, "spoilt"), callable(open),
    json.loads("1"), "/tmp/spoilt" in sys.path, os.getcwd(), umask, "SPOILT" in os.environ, sys.getrecursionlimit(),
    pandas.get_option("display.max_rows"), os.path.exists("/proc/self/fd/50"),
]))
"""
    assert machine.run(spoil).error is None
    assert machine.run(look).json() == [False, True, 1, False, "/tmp", 0o22, False, 1000, 60, False]


def test_open_files_are_its_own(machine: Machine) -> None:
    """No descriptor is handed in that leads out: no folder, no file or socket of the worker or the runtime."""
    seen = machine.run(
        PRELUDE
        + """
kinds = set()
for number in os.listdir("/proc/self/fd"):
    try:
        kinds.add(os.readlink(f"/proc/self/fd/{number}").partition(":")[0])
    except FileNotFoundError:
        continue  # the one that was listing
    for up in ("..", "../../../../etc/shadow"):
        attempt(f"{number} {up}", lambda: os.open(up, os.O_RDONLY, dir_fd=int(number)) and "got it")
found["kinds"] = sorted(kinds)
attempt("those of 1", lambda: os.listdir("/proc/1/fd"))
attempt("runtime's program", lambda: os.open("/proc/1/exe", os.O_WRONLY) and "got it")
attempt("worker's end of a pipe", lambda: os.open("/proc/1/fd/0", os.O_WRONLY) and "got it")
"""
        + FINDINGS
    ).json()
    assert set(seen.pop("kinds")) <= {"pipe", "/dev/null"}
    assert set(seen.values()) <= {"ENOTDIR", "EBADF", "EACCES", "ENOENT", "EROFS", "ETXTBSY"}


def test_the_page_cache_tells_nothing(machine: Machine) -> None:
    """Which parts of the image are in memory would tell what other tasks have just used."""
    seen = machine.run(
        PRELUDE
        + """
paths = [os.path.join(d, n) for d, _, names in os.walk("/usr/local/lib") for n in names if n.endswith(".so")]
path = max(paths, key=os.path.getsize)
size = os.path.getsize(path) // 4096 * 4096
descriptor = os.open(path, os.O_RDONLY)
libc.mmap.restype = ctypes.c_void_p
address = libc.mmap(None, ctypes.c_size_t(size), 1, 1, descriptor, ctypes.c_long(0))
there = ctypes.create_string_buffer(size // 4096)
libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), there)
found["mincore"] = sorted({byte & 1 for byte in there.raw[: size // 4096]})
attempt("cachestat", lambda: call(451, descriptor, struct.pack("QQ", 0, size), bytes(40), 0))
attempt("read what is there", lambda: os.preadv(descriptor, [bytearray(16)], 0, os.RWF_NOWAIT) and "got it")
attempt("put it out", lambda: (os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED), "got it")[1])
"""
        + FINDINGS
    ).json()
    assert seen.pop("mincore") == [1]  # what the kernel says of files of others, whatever is true
    assert set(seen.values()) <= {"EPERM", "ENOTSUP", "EOPNOTSUPP"}


def test_folders_and_files_cannot_be_watched(machine: Machine) -> None:
    seen = machine.run(
        PRELUDE
        + """
import fcntl
folder, file = os.open("/usr/bin", os.O_RDONLY), os.open("/usr/bin/python3", os.O_RDONLY)
own = os.open("/tmp/own", os.O_CREAT | os.O_RDWR)
for name, command in {"notify": 1026, "lease": 1024, "owner": 8, "signal": 10, "owner of any kind": 15}.items():
    for place, descriptor in {"image": folder, "program": file, "own": own}.items():
        attempt(f"{name} {place}", lambda: (fcntl.fcntl(descriptor, command, 1), "got it")[1])
attempt("past the C library", lambda: call(72, folder, 1026, 1))
attempt("with an upper half", lambda: call(72, folder, (1 << 32) + 1026, 1))
attempt("an allowed one with an upper half", lambda: call(72, own, (1 << 32) + 4, 0o20000))
"""
        + FINDINGS
    ).json()
    assert set(seen.values()) == {"EPERM"}


def test_locking_its_own_files_still_works(machine: Machine) -> None:
    script = """
import fcntl, sqlite3
with open("/tmp/lock", "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.lockf(file, fcntl.LOCK_EX)
with sqlite3.connect("/tmp/data.db") as database:
    database.execute("create table t (x)")
    database.execute("insert into t values (4711)")
print(sqlite3.connect("/tmp/data.db").execute("select x from t").fetchone()[0])
"""
    assert machine.run(script).json() == 4711


def test_what_the_kernel_says_of_the_machine(machine: Machine) -> None:
    """Names and numbers that would tell machines apart, or that count what all tasks do together."""
    seen = machine.run(
        PRELUDE
        + """
for path in (
    "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname", "/proc/sys/kernel/random/entropy_avail",
    "/proc/stat", "/proc/loadavg", "/proc/vmstat", "/proc/meminfo", "/proc/interrupts", "/proc/schedstat",
    "/proc/diskstats", "/proc/partitions", "/proc/locks", "/proc/timer_list", "/proc/sched_debug", "/proc/pressure/cpu",
    "/proc/swaps", "/proc/cgroups", "/proc/sys/fs/file-nr", "/proc/sys/kernel/core_pattern", "/proc/buddyinfo",
    "/proc/slabinfo", "/proc/zoneinfo", "/proc/modules", "/proc/net/dev", "/sys/class/net", "/sys/devices/system/cpu",
    "/sys/fs/cgroup/memory", "/sys/kernel/mm", "/sys/module", "/sys/firmware", "/sys/class/dmi/id/product_uuid",
    "/etc/machine-id.host", "/var/lib/dbus/machine-id", "/run/systemd", "/proc/self/stack",
):
    attempt(path, lambda: os.open(path, os.O_RDONLY) and os.read(os.open(path, os.O_RDONLY), 100).decode())
found["own counters"] = open("/proc/self/net/dev").read().count(":")
found["groups"] = open("/proc/self/cgroup").read()
found["sessions"] = [open("/proc/self/loginuid").read(), open("/proc/self/sessionid").read()]
found["host name"] = [os.uname().nodename, socket.gethostname()]
"""
        + FINDINGS
    ).json()
    assert seen.pop("own counters") == 1
    assert seen.pop("host name") == ["sandbox", "sandbox"]
    assert {line.split(":", 2)[2] for line in seen.pop("groups").splitlines()} == {"/"}
    seen.pop("sessions")
    # /proc/net is a link into the own process, whose network has loopback alone.
    net = seen.pop("/proc/net/dev")
    assert net == "ENOENT" or "eth" not in net
    assert set(seen.values()) <= {"ENOENT", "EACCES", "EPERM", "ENOTDIR"}, seen


def test_signals_reach_nobody_outside(machine: Machine) -> None:
    """To everybody, to groups and to numbers that are others' on the machine: the run ends itself, and that is all."""
    seen = machine.run(
        PRELUDE
        + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
reached = 0
own = set(map(int, os.listdir("/proc/self/task")))  # threads of libraries among them
for pid in range(2, 40_000):
    if pid not in own:
        try:
            os.kill(pid, signal.SIGTERM)
            reached += 1
        except ProcessLookupError:
            pass
found["reached"] = reached
attempt("handle of another", lambda: os.pidfd_open(max(own) + 1) and "got it")
attempt("group of 1", lambda: (os.killpg(1, 0), "got it")[1])
attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt("of process 1", lambda: os.sched_setscheduler(1, os.SCHED_FIFO, os.sched_param(1)))
attempt("first at the disk", lambda: call(251, 1, 0, 1 << 13))
attempt("entropy", lambda: __import__("fcntl").ioctl(os.open("/dev/urandom", os.O_RDWR), 0x40085203, bytes(16)))
"""
        + FINDINGS
    ).json()
    assert seen.pop("reached") == 0
    assert seen.pop("handle of another") == "ESRCH"
    seen.pop("group of 1")  # tini's own group, where that is process 1's
    assert set(seen.values()) == {"EPERM"}
    ended = machine.run("""
import os, signal
try:
    os.kill(-1, signal.SIGKILL)  # all but itself and process 1: nobody is left
except ProcessLookupError:
    os.killpg(0, signal.SIGKILL)
""")
    assert ended.outcome.exit_code == 137
    assert ended.run.limit is None
    assert machine.run("print(1)").json() == 1


def test_a_script_that_takes_its_pipes_apart(machine: Machine) -> None:
    """Its log and its report are pipes: it can't open their other ends, and may shrink and fill them as it likes."""
    ran = machine.run(
        PRELUDE
        + """
import fcntl
for number in (1, 2, 3):
    for pid in ("self", 1):
        path = f"/proc/{pid}/fd/{number}"
        attempt(path, lambda: os.open(path, os.O_RDONLY | os.O_NONBLOCK) and "got it")
    fcntl.fcntl(number, 1031, 4096)
    os.set_blocking(number, False)
try:
    while True:
        os.write(3, b"x" * 4096)
except BlockingIOError:
    pass
os.set_blocking(1, True)
"""
        + FINDINGS
    )
    assert set(ran.json().values()) <= {"EACCES", "ENOENT"}


@x86_64_only
def test_network_buffers_are_bounded(machine: Machine) -> None:
    """What is sent to oneself and never read lies in the kernel, outside the memory limit of older control groups."""
    script = """
import os, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
server = socket.create_server(("127.0.0.1", 0), backlog=500)
held, sent = [], 0
for _ in range(300):
    ends = [socket.create_connection(server.getsockname()), server.accept()[0]]
    held += ends
    for end in ends:
        end.setblocking(False)
        try:
            while True:
                sent += end.send(bytes(1 << 20))
        except BlockingIOError:
            pass
print(sent)
"""
    ran = machine.run(script, limits=msgspec.structs.replace(SMALL, memory_bytes=256 * MIB))
    assert ran.run.limit == "memory" or int(ran.json()) < 256 * MIB


def test_timers_are_bounded(machine: Machine) -> None:
    script = """
import ctypes
libc, timer, count = ctypes.CDLL(None), ctypes.c_void_p(), 0
while libc.timer_create(0, None, ctypes.byref(timer)) == 0:
    count += 1
print(count)
"""
    assert machine.run(script).json() <= 4096


def test_a_result_cannot_pose_as_a_library(machine: Machine) -> None:
    """An input is a folder that another script has written: what it holds is imported by nobody."""
    bait = b"raise SystemExit(77)"
    names = ("json.py", "pandas.py", "numpy/__init__.py", "sitecustomize.py", "usercustomize.py", "encodings.py")
    script = "import json, numpy, pandas\nprint(json.dumps(numpy.__file__.startswith('/usr')))"
    assert machine.run(script, inputs=dict.fromkeys(names, bait)).json() is True
