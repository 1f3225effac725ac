"""Scripts that look for what isn't theirs (host files, processes, earlier tasks), or write where they mustn't."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import pytest

from cloister.errors import SandboxUnavailable
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptTask, run_script
from tests.attacks.test_sandbox_kernel import FINDINGS, PRELUDE
from tests.containers import SMALL, Machine


def test_nothing_of_the_host_shows(machine: Machine, tmp_path: Path) -> None:
    """A canary in the worker's environment, in a host file and in the host's name is searched for everywhere."""
    canary = f"canary{secrets.token_hex(8)}"
    (tmp_path / "host-file").write_text(canary)
    os.environ["CLOISTER_TEST_CANARY"] = canary
    try:
        ran = machine.run(
            PRELUDE
            + f"""
canary = {canary[:3]!r} + {canary[3:]!r}
hits, seen = [], 0
skipped = ("/usr/lib", "/usr/share", "/usr/local/lib", "/input/code")
for folder, folders, names in os.walk("/"):
    if folder.startswith(skipped):
        folders.clear()
        continue
    for name in names:
        path = os.path.join(folder, name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            content = os.read(descriptor, 1 << 20)
        except OSError:
            continue
        finally:
            os.close(descriptor)
        seen += 1
        if canary.encode() in content and not path.endswith(("/mem", "/pagemap")):
            hits.append(path)
found["hits"], found["many"] = hits, seen > 200
host_only = (
    {str(tmp_path)!r}, "/proc/kcore", "/proc/kallsyms", "/proc/sys", "/proc/meminfo", "/proc/cpuinfo", "/proc/cmdline",
    "/proc/version", "/proc/stat", "/proc/uptime", "/proc/sysrq-trigger", "/proc/keys", "/sys/kernel", "/sys/fs/cgroup",
    "/dev/kvm", "/dev/vsock", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/vda", "/dev/loop-control", "/dev/net/tun",
    "/dev/mqueue", "/dev/pts", "/dev/ptmx", "/dev/tty", "/run/cloister", "/var/run/docker.sock",
)
found["paths"] = [path for path in host_only if os.path.exists(path)]
found["devices"] = sorted(os.listdir("/dev"))
found["names"] = [os.uname().nodename, open("/etc/hostname").read(), open("/etc/machine-id").read()]
found["space"] = {{place: os.statvfs(place).f_blocks * os.statvfs(place).f_frsize for place in (
    "/", "/dev", "/dev/shm", "/input", "/input/code", "/tmp", "/scratch", "/output")}}
found["mounts"] = open("/proc/self/mountinfo").read()
found["groups"] = open("/proc/self/cgroup").read()
"""
            + FINDINGS
        )
    finally:
        del os.environ["CLOISTER_TEST_CANARY"]
    seen = ran.json()
    assert seen["many"]
    assert seen["hits"] == []
    assert seen["paths"] == []
    assert seen["devices"] == ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"]
    assert seen["names"] == ["sandbox", "sandbox\n", ""]
    for word in (
        socket.gethostname(),
        "cloister",
        str(machine.image_root),
        "vda",
        "loop",
        str(Path(__file__).parents[2]),
    ):
        assert word not in seen["mounts"].replace("loop-control", "")
    # Sizes are those of this run's limits: free space of a host's disk would tell what others do.
    assert max(seen["space"].values()) < 17 << 20
    assert {line.split(":", 2)[2] for line in seen["groups"].splitlines()} == {"/"}


def test_other_processes(machine: Machine) -> None:
    seen = machine.run(
        PRELUDE
        + """
found["processes"] = [int(name) for name in os.listdir("/proc") if name.isdecimal() and name != "1"]
found["mine"] = os.getpid()
attempt("environment of 1", lambda: [e.split("=")[0] for e in open("/proc/1/environ").read().split("\\0") if e])
attempt("command of 1", lambda: open("/proc/1/cmdline").read().replace("\\0", " "))
attempt("memory of 1", lambda: open("/proc/1/mem", "r+b") and "got it")
attempt("kill the others", lambda: os.kill(-1, 0))
attempt("a host process", lambda: os.kill(os.getpid() + 20_000, 0))
"""
        + FINDINGS
    ).json()
    assert seen["processes"] == [seen["mine"]]
    assert seen["environment of 1"] == "ENOENT" or set(seen["environment of 1"]) <= {
        *("PATH", "HOME", "TMPDIR", "USER", "LANG", "TZ", "PYTHONDONTWRITEBYTECODE", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS", "LOKY_MAX_CPU_COUNT"),
    }
    assert "cloister" not in seen["command of 1"]
    assert seen["memory of 1"] != "got it"
    assert seen["a host process"] == "ESRCH"


def test_process_1(machine: Machine) -> None:
    """It is the same user's, and ends the container when the worker dies: who could change it would outlive that."""
    seen = machine.run(
        PRELUDE
        + """
for name in ("mem", "task/1/mem", "clear_refs"):
    attempt(name, lambda: open(f"/proc/1/{name}", "r+b") and "got it")
for name in ("maps", "syscall", "environ", "auxv", "fd/0", "fdinfo/0"):
    attempt(name, lambda: open(f"/proc/1/{name}", "rb") and "got it")
attempt("exe", lambda: os.readlink("/proc/1/exe"))
attempt("its program", lambda: open("/run/tini", "rb") and "got it")
"""
        + FINDINGS
    ).json()
    assert seen.pop("its program") == "EACCES"
    assert set(seen.values()) <= {"ENOENT", "EACCES", "EPERM"}, seen


def test_writes_where_nothing_may_be_written(machine: Machine) -> None:
    ran = machine.run(
        PRELUDE
        + """
def write(path):
    with open(path, "w") as file:
        file.write("x")
    return "got it"
places = "/ /input/ /input/code/ /input/sub/ /usr/bin/ /etc/ /dev/ /run/ /var/lib/ /home/ /code/ /root/"
for place in places.split():
    attempt(place, lambda: write(place + "made"))
    attempt(f"folder in {place}", lambda: (os.mkdir(place + "made"), "got it")[1])
paths = "/input/data /input/sub/data /input/code/main.py /usr/bin/python3 /etc/passwd /run/launcher"
for path in paths.split():
    attempt(path, lambda: write(path))
    attempt(f"remove {path}", lambda: (os.remove(path), "got it")[1])
    attempt(f"rename {path}", lambda: (os.rename(path, "/tmp/x"), "got it")[1])
    attempt(f"chmod {path}", lambda: (os.chmod(path, 0o777), "got it")[1])
    attempt(f"link {path}", lambda: (os.link(path, "/tmp/linked"), "got it")[1])
    attempt(f"touch {path}", lambda: (os.utime(path, (0, 0)), "got it")[1])
for place in ("/output", "/tmp", "/scratch", "/dev/shm"):
    attempt(f"chmod {place}", lambda: (os.chmod(place, 0), "got it")[1])
    attempt(f"replace {place}", lambda: (os.rename(place, place + "2"), "got it")[1])
import shutil
shutil.copy("/usr/bin/id", "/output/id")
os.chmod("/output/id", 0o755)
attempt("run from /output", lambda: os.execv("/output/id", ["id"]))
os.remove("/output/id")
"""
        + FINDINGS,
        inputs={"data": b"data", "sub/data": b"data"},
    )
    seen = ran.json()
    allowed = {"EROFS", "EACCES", "EPERM", "EXDEV", "EBUSY"}
    assert {name: result for name, result in seen.items() if result not in allowed} == {}
    assert len(seen) > 60


def test_the_input_is_unchanged_on_the_host(machine: Machine) -> None:
    script = "import os\ntry: os.chmod('/input/data', 0o777); open('/input/data', 'w')\nexcept OSError: pass"
    with machine.container(inputs=["data"]) as container:
        folder = container.input_folder(1 << 20, 10)
        (folder / "data").write_text("before")
        assert run_script(PYTHON, container, ScriptTask(script=script, limits=SMALL)).error is None
        assert (folder / "data").read_text() == "before"


def test_a_socket_among_the_inputs_is_refused(machine: Machine) -> None:
    with machine.container(inputs=["sub"]) as container:
        folder = container.input_folder(1 << 20, 10)
        (folder / "sub").mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "sub/s"))
            with pytest.raises(SandboxUnavailable, match="can't be an input"):
                run_script(PYTHON, container, ScriptTask(script="1", limits=SMALL))
    assert machine.left() == []


def test_a_link_among_the_inputs_is_refused(machine: Machine) -> None:
    with machine.container(inputs=["link"]) as container:
        (container.input_folder(1 << 20, 10) / "link").symlink_to("/etc/shadow")
        with pytest.raises(SandboxUnavailable, match="can't be an input"):
            run_script(PYTHON, container, ScriptTask(script="1", limits=SMALL))


LEAVE = """
import mmap, os, socket
from multiprocessing.shared_memory import SharedMemory
canary = CANARY
for place in ("/tmp", "/scratch", "/output", "/dev/shm"):
    with open(f"{place}/left", "w") as file:
        file.write(canary)
    os.setxattr(f"{place}/left", "user.left", canary.encode())
shared = SharedMemory(canary, create=True, size=100)
shared.buf[:len(canary)] = canary.encode()
os.environ["LEFT"] = canary
kept = socket.socket(socket.AF_UNIX)
kept.bind("\\0" + canary)
kept.listen()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            pass
os._exit(0)
"""
SEARCH = (
    PRELUDE
    + """
canary = CANARY
hits = [name for name, value in os.environ.items() if canary in value]
for place in ("/tmp", "/scratch", "/output", "/dev/shm", "/run", "/var", "/input", "/etc", "/home", "/proc"):
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            if path.endswith(("/mem", "/pagemap", "/code/main.py")) or canary in path:
                hits += [path] if canary in path else []
                continue
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                content = os.read(descriptor, 1 << 16)
                os.close(descriptor)
            except OSError:
                continue
            if canary.encode() in content:
                hits.append(path)
def reach():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("\\0" + canary)
attempt("socket", reach)
found["hits"] = hits
found["fresh"] = [os.listdir(place) for place in ("/tmp", "/scratch", "/output", "/dev/shm")]
found["processes"] = len([name for name in os.listdir("/proc") if name.isdecimal()])
held = bytearray(100 << 20)  # memory that the kernel hands out again
found["dirty"] = held.count(0) != len(held)
"""
    + FINDINGS
)


def test_the_next_task_finds_nothing_of_the_last(machine: Machine) -> None:
    canary = f"canary{secrets.token_hex(8)}"
    first = machine.run(LEAVE.replace("CANARY", repr(canary)))
    assert first.files == {"left": canary.encode()}, first.log
    seen = machine.run(SEARCH.replace("CANARY", f"{canary[:5]!r} + {canary[5:]!r}")).json()
    assert seen == {"socket": "ECONNREFUSED", "hits": [], "fresh": [[], [], [], []], "processes": 1, "dirty": False}


def test_tasks_at_the_same_time_do_not_see_each_other(machine: Machine) -> None:
    canary = f"canary{secrets.token_hex(8)}"
    script = LEAVE.replace("CANARY", repr(canary))
    with machine.running(script) as first:
        assert first.error is None
        # The first has ended, but its folders and mounts are still there for its result to be read.
        search = SEARCH.replace("CANARY", f"{canary[:5]!r} + {canary[5:]!r}")
        with machine.running(search) as second:
            assert second.error is None, second.outcome.log
            assert b'"hits": []' in second.outcome.log
            assert b'"fresh": [[], [], [], []]' in second.outcome.log
    assert machine.left() == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("os.symlink('/etc/passwd', '/output/x')", "a symbolic link"),
        ("os.symlink('/proc/self/root', '/output/x')", "a symbolic link"),
        ("os.makedirs('/output/a'); os.symlink('/', '/output/a/b')", "a symbolic link"),
        ("open('/output/x', 'w'); os.link('/output/x', '/output/y')", "hard links"),
        ("__import__('socket').socket(__import__('socket').AF_UNIX).bind('/output/x')", "a socket"),
        ("open(b'/output/\\xff', 'w')", "UTF-8"),
        ("open('/output/a\\nb', 'w')", "control character"),
        ("open('/output/\\x1b[2J', 'w')", "control character"),
        ("open('/output/' + 'x' * 255, 'w')", "too long"),
        ("os.chdir('/output'); [(os.mkdir('d'), os.chdir('d')) for _ in range(70)]", "nested"),
        ("open('/output/x', 'w').truncate(1 << 40)", "output size"),
    ],
)
def test_odd_things_in_the_output(machine: Machine, make: str, words: str) -> None:
    ran = machine.run(f"import os\n{make}")
    assert ran.error is None, ran.log
    assert ran.refused is not None
    assert words in ran.refused
    assert ran.archive == b""


def test_fifos_and_devices_cannot_be_made(machine: Machine) -> None:
    for make in ("os.mkfifo('/output/x')", "os.mknod('/output/x', 0o020666, 0x105)"):
        ran = machine.run(f"import os\n{make}")
        assert ran.error is not None
        assert "PermissionError" in ran.error


def test_modes_in_the_output_do_not_count(machine: Machine) -> None:
    script = """
import os
os.mkdir("/output/closed")
for name in ("plain", "closed/file"):
    os.close(os.open("/output/" + name, os.O_CREAT, 0o7777))
    os.chmod("/output/" + name, 0)
os.chmod("/output/closed", 0)
"""
    ran = machine.run(script)
    assert ran.refused is None
    assert ran.files == {"plain": b"", "closed/file": b""}
