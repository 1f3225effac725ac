"""Runs inside the virtual machine: the probe, and containers under each runtime that is installed; prints JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from cloister.errors import SandboxUnavailable
from cloister.rooms.limits import MIB
from cloister.worker import linux
from cloister.worker.images import store as images
from cloister.worker.sandbox import cgroups, probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.runtime import Runtime
from cloister.worker.survey import control_groups
from tests.containers import SMALL, Machine

LIMITS = msgspec.structs.replace(SMALL, wall_seconds=120)
SCRIPTS: dict[str, tuple[str, dict[str, int]]] = {
    "output": ("open('/output/there', 'w').write('here'); print(open('/proc/self/cgroup').read())", {}),
    "memory": ("held = [bytearray(1 << 20) for _ in range(1000)]", {}),
    "pids": ("import os\nwhile True:\n    if os.fork() == 0:\n        os.read(os.pipe()[0], 1)", {}),
    "wall time": ("while True: pass", {"wall_seconds": 2}),
    "scratch": ("open('/tmp/big', 'wb').write(bytes(1 << 25))", {}),
    "output size": ("open('/output/big', 'wb').write(bytes(1 << 25))", {"output_bytes": MIB}),
}


def try_runtime(name: str, image_root: Path) -> dict[str, Any]:
    """Whether it passes the probe, and how each script ended."""
    directory = Path("/run/cloister/sandboxes")
    try:
        runtime = Runtime.named(name)
        probe.check(runtime, image_root, directory)
    except SandboxUnavailable as error:
        return {"refused": str(error)}
    ends = {}
    with Sandbox(runtime, directory) as sandbox:
        machine = Machine(sandbox, image_root)
        for what, (script, changes) in SCRIPTS.items():
            ran = machine.run(script, limits=msgspec.structs.replace(LIMITS, **changes))
            ends[what] = {
                "limit": ran.outcome.limit, "error": ran.error, "log": ran.log,
                "files": {name: content.decode() for name, content in ran.files.items()},
                "refused processes": ran.outcome.refused_processes, "peak": ran.outcome.peak_memory_bytes,
            }  # fmt: skip
    return {"ends": ends}


def main() -> None:
    linux.enter_private_mounts()
    groups = control_groups(cgroups.hierarchies(), Path("/proc/self/cgroup").read_text())
    told: dict[str, Any] = {"groups": msgspec.to_builtins(groups)}
    with images.open_image("python") as image:
        told["runtimes"] = {name: try_runtime(name, image.root) for name in ("crun", "runc")}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
