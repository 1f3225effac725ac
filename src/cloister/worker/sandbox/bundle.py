"""What a container is, as a value: the OCI configuration of one run. Pure.

Threat: the script is hostile and may look for the network, other inputs, keys, other tasks or the host. It gets
none of the things it would need: its own namespace of each kind, no capabilities, a user that is nobody on the host, a
read-only root, no /sys, a /proc that shows its own processes only, and device files that do nothing.

Threat: mounts tell tales. Their table shows host paths, and free space tells what others do. So every mount's source is
the root, or a neutrally named folder, of a file system made for this run with sizes taken from its limits.

Follows the OCI runtime specification 1.0.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cloister.rooms.limits import Limits
from cloister.worker.sandbox import cgroups, seccomp

Walls = Literal["kernel", "gvisor"]
"""What a script's system calls are answered by: the machine's kernel, which walls the container off, or gVisor's own,
one process without rights on the host, which has neither device files nor control groups of the machine's to show."""

SCRIPT_UID = 1000
"""The user inside, with the group of the same number. Root has no process there."""

HOST_NAME = "sandbox"
LAUNCHER = "/run/launcher"
TINI: Mapping[Walls, str] = {"kernel": "/run/tini", "gvisor": "/usr/bin/tini"}
"""The program of process 1. The first is a copy that the script's user can run but not read: so the kernel lets it
neither look into the process nor change it, as it lets one and the same user otherwise."""
PIDS_OF_OUR_OWN = 1
"""tini, which starts the script and collects its orphans."""
GVISOR_THREADS = 64
"""What gVisor's kernel and its helper may have for themselves."""
REPORT_DESCRIPTOR = 3
"""The launcher's file descriptor for what it tells the worker."""

# tini asks the kernel to be killed when its parent dies. It must not ask while the runtime is still its parent, which
# ends as soon as the container runs; so it waits until the worker, which adopts it, says so.
_WAIT_THEN = 'read -r adopted && unset PWD adopted && exec "$@"'
ADOPTED = b"adopted\n"
READY = b"ready\n"
"""What the launcher answers when it has imported what the next line names."""
_PENDING_SIGNALS = 4096

# What the image's files of these names are hidden by: nothing in them tells where the image was made or runs.
SKELETON_FILES: Mapping[str, str] = {
    "etc/passwd": "root:x:0:0::/:/usr/sbin/nologin\nuser:x:1000:1000::/tmp:/usr/sbin/nologin\n"
    "nobody:x:65534:65534::/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n",
    "etc/hosts": f"127.0.0.1 localhost {HOST_NAME}\n::1 localhost\n",
    "etc/hostname": f"{HOST_NAME}\n",
    "etc/resolv.conf": "",
    "etc/machine-id": "",
}
SKELETON_FOLDERS = ("dev", "dev/shm", "sys", "proc", "input", "output", "scratch", "tmp", "run", "code")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where on the host the parts of one run lie, each reachable by any user."""

    root: Path
    input: Path
    code: Path
    code_target: str
    """Where `code` is seen inside."""
    output: Path
    tmp: Path
    scratch: Path
    shared_memory: Path
    devices: Path


def environment(limits: Limits) -> dict[str, str]:
    """The whole environment of a computation: nothing of the worker's own is passed on."""
    share = str(threads(limits))
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - the container's own
        "TMPDIR": "/tmp",  # noqa: S108
        "USER": "user",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLCONFIGDIR": "/tmp",  # noqa: S108
        "NUMBA_CACHE_DIR": "/tmp",  # noqa: S108
        # Thread pools would otherwise count the machine's cores, not the share that this run has of them.
        "OMP_NUM_THREADS": share,
        "OPENBLAS_NUM_THREADS": share,
        "MKL_NUM_THREADS": share,
        "NUMEXPR_MAX_THREADS": share,
        "LOKY_MAX_CPU_COUNT": share,
    }


def _bind(source: Path, target: str, *options: str) -> dict[str, Any]:
    return {
        "destination": target,
        "type": "bind",
        "source": str(source),
        "options": ["bind", "private", "nosuid", *options],
    }


def mounts(places: Places, walls: Walls = "kernel") -> list[dict[str, Any]]:
    """The mounts of a run besides its root, in order."""
    if walls == "gvisor":
        # Its own /dev, which there is no doing without; and nothing where it would tell of its own devices.
        devices = {"destination": "/sys", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "noexec", "mode=0555"]}
    else:
        # Device files are ours, not the host's: a bound host device would show the size of the host's memory.
        devices = _bind(places.devices, "/dev", "noexec", "ro")
    return [
        {
            "destination": "/proc",
            "type": "proc",
            "source": "proc",
            "options": ["nosuid", "nodev", "noexec", "subset=pid", "hidepid=invisible"],
        },
        devices,
        _bind(places.shared_memory, "/dev/shm", "nodev", "noexec", "rw"),  # noqa: S108
        _bind(places.input, "/input", "nodev", "noexec", "ro"),
        _bind(places.code, places.code_target, "nodev", "noexec", "ro"),
        _bind(places.output, "/output", "nodev", "noexec", "rw"),
        # Executable: compilers of numerical code (numba, cffi) load there what they have made.
        _bind(places.tmp, "/tmp", "nodev", "rw"),  # noqa: S108
        _bind(places.scratch, "/scratch", "nodev", "rw"),
    ]


def cpu_quota(limits: Limits) -> int:
    """Microseconds of processor time in each `cgroups.CPU_PERIOD`; the kernel takes no less than 1000."""
    return max(1000, int(limits.cpus * cgroups.CPU_PERIOD))


def threads(limits: Limits) -> int:
    """How many threads a thread pool should have."""
    return max(1, math.ceil(limits.cpus))


def host_processes(pids: int, walls: Walls = "kernel") -> int:
    """How many processes and threads of the host a container may have whose script may have `pids`.

    Under gVisor a process of the script's takes two, and gVisor's kernel a number of its own.
    """
    return pids + PIDS_OF_OUR_OWN if walls == "kernel" else 2 * (pids + PIDS_OF_OUR_OWN) + GVISOR_THREADS


def resources(limits: Limits, *, swap_limit: bool) -> dict[str, Any]:
    """The control group's settings.

    Memory and swap together may not exceed the memory limit, so nothing is swapped out to the host's disk.
    """
    memory: dict[str, Any] = {"limit": limits.memory_bytes}
    if swap_limit:
        memory["swap"] = limits.memory_bytes
    return {
        "memory": memory,
        "pids": {"limit": limits.pids + PIDS_OF_OUR_OWN},
        "cpu": {"period": cgroups.CPU_PERIOD, "quota": cpu_quota(limits)},
        "devices": [{"allow": False, "access": "rwm"}]
        + [
            {"allow": True, "type": "c", "major": 1, "minor": minor, "access": "rw"}
            for minor in DEVICE_NUMBERS.values()
        ],
    }


DEVICE_NUMBERS: Mapping[str, int] = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
"""Minor numbers of the device files inside; the major is 1. See the kernel's devices.txt."""


def configuration(
    *,
    argv: Sequence[str],
    places: Places,
    limits: Limits,
    first_host_id: int,
    cgroup: str,
    machine: str,
    open_files: int,
    swap_limit: bool = True,
    walls: Walls = "kernel",
) -> dict[str, Any]:
    """The content of config.json.

    Args:
        argv: run by tini, which is process 1: it hands on the exit code, and the kernel kills it, and with it all
            else in there, when the worker dies. It starts when `ADOPTED` is on standard input, where `argv` finds what
            follows that line.
        first_host_id: user and group 0 inside are this number on the host, 1000 is this plus 1000; no others exist.
        cgroup: path of the control group, from the root of each hierarchy.
        open_files: the most files that one process may raise its limit to; at most what the worker itself may.
        swap_limit: whether this kernel can limit swap.
    """
    ids = [{"containerID": inside, "hostID": first_host_id + inside, "size": 1} for inside in (0, SCRIPT_UID)]
    return {
        "ociVersion": "1.0.2",
        "hostname": HOST_NAME,
        "root": {"path": str(places.root), "readonly": True},
        "mounts": mounts(places, walls),
        "process": {
            "terminal": False,
            "user": {"uid": SCRIPT_UID, "gid": SCRIPT_UID, "umask": 0o022},
            "args": ["/bin/sh", "-c", _WAIT_THEN, "sh", TINI[walls], "-s", "-p", "SIGKILL", "--", *argv],
            "env": [f"{name}={value}" for name, value in environment(limits).items()],
            "cwd": "/tmp",  # noqa: S108
            "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
            "noNewPrivileges": True,
            # Where the machine itself runs out of memory, computations go first.
            "oomScoreAdj": 900,
            "rlimits": [
                # A core file would be plaintext on the host's disk. A single byte, as 0 doesn't keep the kernel from
                # handing all of it to a program of the host's (core(5)), and 1 does.
                {"type": "RLIMIT_CORE", "hard": 1, "soft": 1},
                {"type": "RLIMIT_MSGQUEUE", "hard": 0, "soft": 0},
                # Timers count too, and their memory is nobody's: without it, a script could have a hundred thousand.
                {"type": "RLIMIT_SIGPENDING", "hard": _PENDING_SIGNALS, "soft": _PENDING_SIGNALS},
                {"type": "RLIMIT_NOFILE", "hard": open_files, "soft": min(open_files, 4096)},
            ],
        },
        "linux": {
            "namespaces": [{"type": kind} for kind in ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")],
            "uidMappings": ids,
            "gidMappings": ids,
            "cgroupsPath": cgroup,
            "resources": resources(limits, swap_limit=swap_limit),
            "seccomp": seccomp.profile(machine, knows_numbers=walls == "kernel"),
            "rootfsPropagation": "private",
        },
    }
