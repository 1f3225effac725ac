"""Find an OCI runtime that really enforces, on this machine, what Cloister asks of it.

Threat: a runtime that runs everything and enforces half of it. Seen in the field: limits left out in silence
without delegated control groups, mount flags dropped on writable mounts, default filters that let a virtual machine's
guest talk to its host. So no name, version or exit code is believed: a candidate runs a canary that tries what must
fail, and then takes more memory than it may have.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from cloister.errors import SandboxUnavailable
from cloister.rooms.limits import MIB, Limits
from cloister.worker.sandbox import bundle
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.job import Blueprint, Job, Outcome
from cloister.worker.sandbox.leftovers import DEFAULT_DIRECTORY
from cloister.worker.sandbox.runtime import Runtime

CHOICE = "CLOISTER_RUNTIME"
"""The environment variable that names the one runtime to use: a name on PATH, or a path."""
CANDIDATES = ("crun", "runc")
"""Tried in this order where nothing was chosen: crun starts faster."""

_LIMITS = Limits(
    memory_bytes=48 * MIB,
    pids=20,
    cpus=1.0,
    wall_seconds=20,
    output_bytes=MIB,
    output_files=10,
    scratch_bytes=MIB,
    log_bytes=64 * 1024,
)
# Of memory there is enough, for its lack not to be what stops them.
_SWARM = msgspec.structs.replace(_LIMITS, memory_bytes=1024 * MIB)
_CANARY = Path(__file__).with_name("canary.py")
_PYTHON = "/usr/bin/python3"
_FLAGS = frozenset({"ro", "nosuid", "nodev", "noexec"})


class _Sighting(msgspec.Struct, forbid_unknown_fields=True):
    """What the canary printed."""

    mountinfo: str
    status: dict[str, str]
    uid_map: str
    got: list[str]
    """What it got although it must not."""
    missed: list[str]
    """What it didn't get although it must."""


def has_rights(user: int, uid_map: str) -> bool:
    """Whether a process is this machine's root, which root of a user namespace is not.

    Args:
        user: its effective user id.
        uid_map: the text of its /proc/self/uid_map.
    """
    return user == 0 and uid_map.split() == ["0", "0", str(2**32 - 1)]


def require_rights() -> None:
    """Refuse to work for any other user, whatever control groups are delegated to it (ADR 20).

    Raises:
        SandboxUnavailable
    """
    if not has_rights(os.geteuid(), Path("/proc/self/uid_map").read_text()):
        raise SandboxUnavailable(
            "A worker has to be started by this machine's root, not by another user and not in a user namespace "
            "(rootless): there, what is decrypted in memory may be swapped out to disk, and images can't be mounted, "
            "even where control groups are delegated. Start it with sudo, or in a virtual machine of its own."
        )


def can_be_tried_in(image_root: Path) -> bool:
    """Whether an image has what the canary is run by."""
    return os.path.lexists(image_root / _PYTHON.lstrip("/"))


@functools.cache
def detect(image_root: Path, directory: Path = DEFAULT_DIRECTORY) -> Runtime:
    """Probe what `CLOISTER_RUNTIME` names, or else crun, then runc; the first good one wins.

    Takes a fraction of a second; a good verdict is kept for the life of the process.

    Args:
        image_root: an image with Python, to run the canary in.

    Raises:
        SandboxUnavailable: none enforces what is needed. There is no fallback.
    """
    require_rights()
    if not can_be_tried_in(image_root):
        raise SandboxUnavailable(
            f"The image has no {_PYTHON}, which container runtimes are tried out with before anything is run. Put "
            "python3 into its recipe and build it again, or name another image before it (--image python)."
        )
    chosen = os.environ.get(CHOICE)
    refused = []
    for name in [chosen] if chosen else CANDIDATES:
        try:
            runtime = Runtime.named(name)
            check(runtime, image_root, directory)
        except SandboxUnavailable as error:
            refused.append(f"{name}: {error}".replace(f"{name}: {name}:", f"{name}:"))
        else:
            return runtime
    raise SandboxUnavailable(
        "No container runtime on this machine enforces what Cloister needs; "
        f"install one that does (apt-get install runc), or name one in {CHOICE}. Tried: " + " | ".join(refused)
    )


def check(runtime: Runtime, image_root: Path, directory: Path = DEFAULT_DIRECTORY) -> None:
    """Run the canary once.

    Raises:
        SandboxUnavailable: the runtime doesn't run it, or doesn't stop it.
    """
    blueprint = Blueprint(
        argv=(_PYTHON, "-I", "-S", bundle.LAUNCHER),
        image_root=image_root,
        launcher=_CANARY.read_text(),
        threads=1,
    )
    with Sandbox(runtime, directory) as sandbox:
        with sandbox.container(blueprint) as container:
            faults = _host_faults(container) if runtime.walls == "gvisor" else []
            go = "sing" if runtime.walls == "kernel" else "sing alone"
            faults += _faults(container.run(Job(go=go, code={}, limits=_LIMITS)), runtime.walls)
        if runtime.walls == "gvisor" and not faults:
            # Where it may have no more processes, gVisor's kernel ends, and with it the container.
            with sandbox.container(blueprint) as container:
                outcome = container.run(Job(go="swarm", code={}, limits=_SWARM))
            if outcome.exit_code == 0 or not outcome.refused_processes:
                faults.append("the limit on processes did not stop a swarm of them")
    if faults:
        raise SandboxUnavailable("; ".join(faults))


def _host_faults(container: Container) -> list[str]:
    """What is wrong with the processes that a container under gVisor is made of, but for the client that started it."""
    container.wait_ready()
    made_of = [Path(f"/proc/{pid}") for pid in container.members if pid != container.client]
    faults = [] if made_of else ["its processes are not in its control group"]
    for process in made_of:
        try:
            status = _status((process / "status").read_text())
            faults += status_faults(status, (process / "uid_map").read_text(), capable=True)
            for kind in ("mnt", "net", "user", "ipc"):
                if (process / "ns" / kind).readlink() == Path(f"/proc/self/ns/{kind}").readlink():
                    faults.append(f"a process of gVisor's shares the host's namespace {kind}")
        except (FileNotFoundError, ProcessLookupError):  # it comes and goes
            continue
    return sorted(set(faults))


def _status(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def _faults(outcome: Outcome, walls: bundle.Walls) -> list[str]:
    """Everything that isn't as it must be, in words."""
    try:
        sighting = msgspec.json.decode(outcome.log, type=_Sighting)
    except msgspec.DecodeError:
        return [f"the canary did not run (exit code {outcome.exit_code})"]
    faults = [f"a container can {what}" for what in sighting.got]
    faults += [f"a container can't {what}" for what in sighting.missed]
    if walls == "gvisor":
        # Its kernel has neither of these two; who its processes are on the host is seen from there.
        status, uid_map = {"NoNewPrivs": "1", "CapAmb": "0"} | sighting.status, "0 1 1"
    else:
        status, uid_map = sighting.status, sighting.uid_map
    faults += status_faults(status, uid_map)
    faults += mount_faults(sighting.mountinfo, walls)
    if outcome.limit != "memory":
        faults.append(f"the memory limit did not stop a process (it ended with {outcome.exit_code})")
    return faults


def status_faults(status: Mapping[str, str], uid_map: str, *, capable: bool = False) -> list[str]:
    """What is wrong with the canary's /proc/self/status and /proc/self/uid_map.

    Args:
        capable: whether it may have capabilities in its user namespace.
    """
    faults = []
    for name, wanted in {"NoNewPrivs": "1", "Seccomp": "2"}.items():
        if status.get(name) != wanted:
            faults.append(f"{name} is {status.get(name)} instead of {wanted}")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        if not capable and int(status.get(name, "1"), 16) != 0:
            faults.append(f"capabilities are left ({name} {status.get(name)})")
    rows = [line.split() for line in uid_map.splitlines()]
    if not rows or any(row[1] == "0" for row in rows):
        faults.append("users inside are not mapped to unprivileged ones outside")
    return faults


def mount_faults(mountinfo: str, walls: bundle.Walls = "kernel") -> list[str]:
    """Which mounts lack a flag that bundle.py asked for, or shouldn't be there, by the text of /proc/self/mountinfo."""
    found: dict[str, set[str]] = {}
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        found[fields[4]] = set(fields[5].split(","))
    nowhere = Path("/nowhere")
    places = bundle.Places(
        root=nowhere, input=nowhere, code=nowhere, code_target="/input/code", output=nowhere, tmp=nowhere,
        scratch=nowhere, shared_memory=nowhere, devices=nowhere,
    )  # fmt: skip
    # gVisor knows neither set-id programs nor device files of the host's, so no flags against them.
    shown = _FLAGS if walls == "kernel" else _FLAGS - {"nosuid", "nodev"}
    wanted: dict[str, Any] = {
        mount["destination"]: shown.intersection(mount["options"]) for mount in bundle.mounts(places, walls)
    }
    wanted["/"] = shown - {"noexec"}
    if walls == "gvisor":
        wanted |= {"/dev": set(), "/dev/pts": set()}
    faults = [f"{point} is mounted although nothing asked for it" for point in sorted(found.keys() - wanted.keys())]
    for point, flags in wanted.items():
        if point not in found:
            faults.append(f"{point} is not mounted")
        elif missing := flags - found[point]:
            faults.append(f"{point} is not mounted {', '.join(sorted(missing))}")
    return faults
