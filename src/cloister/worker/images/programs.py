"""The programs that images are built with: finding them, running them, saying what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from cloister.errors import ImageUnavailable

Progress = Callable[[str], None]
"""Called with one short line of plain English whenever there is news for a person who waits."""

_NEWS = {
    "I: running apt-get update...": "reading Debian's package lists",
    "I: downloading packages with apt...": "downloading Debian packages",
    "I: extracting archives...": "unpacking them",
    "I: installing essential packages...": "installing them",
    "I: creating tarball...": "collecting the tree",
}
"""What mmdebstrap says, in words for somebody who waits."""


def certificates() -> dict[str, str]:
    """Settings that let uv trust whom this machine trusts: behind a company's proxy uv's own list won't do."""
    return {"UV_SYSTEM_CERTS": "1"} if Path("/etc/ssl/certs/ca-certificates.crt").exists() else {}


def find_uv() -> str:
    """The path of uv: beside the running Python, else on PATH."""
    try:
        from uv import find_uv_bin
    except ImportError:
        found = shutil.which("uv")
        if found is None:
            raise ImageUnavailable("uv is not installed; install Cloister with its server extra") from None
        return found
    return str(find_uv_bin())


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    accept: Iterable[int] = (0,),
) -> None:
    """Run a tool; its news go to ``progress``, its last words into the error if it fails."""
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"  # not on everybody's PATH
    settings = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", **(environment or {})}
    last: deque[str] = deque(maxlen=15)
    program = shutil.which(command[0], path=path)
    if program is None:
        raise ImageUnavailable(f"{command[0]} is not installed; `make setup` installs what building images needs")
    with subprocess.Popen(
        [program, *command[1:]],
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout
        for line in process.stdout:
            last.append(line.rstrip()[:200])
            if progress and (news := _NEWS.get(line.rstrip())):
                progress(news)
    if process.returncode not in accept:
        words = "\n  ".join(line for line in last if line)
        raise ImageUnavailable(f"{command[0]} failed (exit code {process.returncode}):\n  {words}")
