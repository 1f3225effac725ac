"""The image's Python without a sandbox, to compare with: the same files, in a chroot."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloister.rooms.limits import Limits
from cloister.worker import linux
from cloister.worker.sandbox import bundle

INTERPRETER = "/usr/bin/python3"
SCRIPT = "/input/code/main.py"


@dataclass(frozen=True)
class Bare:
    """A root file system: the image, with inputs and a script in it, and writable."""

    root: Path
    environment: Mapping[str, str]
    interpreter: str = INTERPRETER

    def command(self) -> list[str]:
        """Runs the script in there."""
        return ["chroot", str(self.root), self.interpreter, SCRIPT]

    def run(self) -> None:
        """Runs it to its end.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        subprocess.run(self.command(), env=dict(self.environment), check=True, capture_output=True)

    def run_many(self, count: int, at_once: int) -> None:
        """The same script `count` times by `xargs -P`."""
        numbers = "\n".join(map(str, range(count)))
        command = ["xargs", f"-P{at_once}", "-I{}", *self.command(), "{}"]
        subprocess.run(command, input=numbers, text=True, env=dict(self.environment), check=True, capture_output=True)


@contextmanager
def bare(image_root: Path, script: str, inputs: Mapping[str, bytes], interpreter: str = INTERPRETER) -> Iterator[Bare]:
    """Lays it out in memory, and takes it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as name:
        place = Path(name)
        linux.mount("tmpfs", place, "tmpfs", linux.MS_NOSUID, "mode=0755")
        mounted = [place]
        try:
            upper, root = place / "upper", place / "root"
            for folder in (upper, root, place / "work"):
                folder.mkdir()
            for path, content in {SCRIPT: script.encode(), **{f"/input/{n}": c for n, c in inputs.items()}}.items():
                target = upper / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            for folder in (upper / "output", upper / "tmp", upper / "proc", upper / "dev"):
                folder.mkdir(exist_ok=True)
            options = f"lowerdir={image_root},upperdir={upper},workdir={place / 'work'}"
            linux.mount("overlay", root, "overlay", 0, options)
            mounted.append(root)
            linux.mount("proc", root / "proc", "proc", 0)
            mounted.append(root / "proc")
            yield Bare(root, {"PATH": os.environ["PATH"], **_environment()}, interpreter)
        finally:
            for point in reversed(mounted):
                linux.unmount(point)


def _environment() -> dict[str, str]:
    """What a computation gets, so that thread pools are of one size."""
    return {name: value for name, value in bundle.environment(Limits()).items() if name != "PATH"}
