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
from cloister.worker.sandbox.container import DEFAULT_DIRECTORY, Blueprint, Job, Outcome, Sandbox
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
_CANARY = Path(__file__).with_name("canary.py")
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


@functools.cache
def detect(image_root: Path, directory: Path = DEFAULT_DIRECTORY) -> Runtime:
    """Probe what `CLOISTER_RUNTIME` names, or else crun, then runc; the first good one wins.

    Takes a fraction of a second; a good verdict is kept for the life of the process.

    Args:
        image_root: an image with Python, to run the canary in.

    Raises:
        SandboxUnavailable: none enforces what is needed. There is no fallback.
    """
    if os.geteuid() != 0:
        raise SandboxUnavailable(
            "A worker has to be started by root: limits of containers are not enforced reliably for other users here."
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
        argv=("/usr/bin/python3", "-I", "-S", bundle.LAUNCHER),
        image_root=image_root,
        launcher=_CANARY.read_text(),
        threads=1,
    )
    with Sandbox(runtime, directory) as sandbox, sandbox.container(blueprint) as container:
        faults = _faults(container.run(Job(go="sing", code={}, limits=_LIMITS)))
    if faults:
        raise SandboxUnavailable("; ".join(faults))


def _faults(outcome: Outcome) -> list[str]:
    """Everything that isn't as it must be, in words."""
    try:
        sighting = msgspec.json.decode(outcome.log, type=_Sighting)
    except msgspec.DecodeError:
        return [f"the canary did not run (exit code {outcome.exit_code})"]
    faults = [f"a container can {what}" for what in sighting.got]
    faults += [f"a container can't {what}" for what in sighting.missed]
    faults += status_faults(sighting.status, sighting.uid_map)
    faults += mount_faults(sighting.mountinfo)
    if outcome.limit != "memory":
        faults.append(f"the memory limit did not stop a process (it ended with {outcome.exit_code})")
    return faults


def status_faults(status: Mapping[str, str], uid_map: str) -> list[str]:
    """What is wrong with the canary's /proc/self/status and /proc/self/uid_map."""
    faults = []
    for name, wanted in {"NoNewPrivs": "1", "Seccomp": "2"}.items():
        if status.get(name) != wanted:
            faults.append(f"{name} is {status.get(name)} instead of {wanted}")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        if int(status.get(name, "1"), 16) != 0:
            faults.append(f"capabilities are left ({name} {status.get(name)})")
    rows = [line.split() for line in uid_map.splitlines()]
    if not rows or any(row[1] == "0" for row in rows):
        faults.append("users inside are not mapped to unprivileged ones outside")
    return faults


def mount_faults(mountinfo: str) -> list[str]:
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
    wanted: dict[str, Any] = {
        mount["destination"]: _FLAGS.intersection(mount["options"]) for mount in bundle.mounts(places)
    }
    wanted["/"] = {"ro", "nosuid", "nodev"}
    faults = [f"{point} is mounted although nothing asked for it" for point in sorted(found.keys() - wanted.keys())]
    for point, flags in wanted.items():
        if point not in found:
            faults.append(f"{point} is not mounted")
        elif missing := flags - found[point]:
            faults.append(f"{point} is not mounted {', '.join(sorted(missing))}")
    return faults
