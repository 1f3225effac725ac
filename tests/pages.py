"""The web pages, built from the sources of now, and the Node that builds them: the one that was installed for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UI = ROOT / "ui"
DIST = UI / "dist"
_BIN = Path(sys.executable).parent
NODE, NPM = _BIN / "node", _BIN / "npm"
_ENVIRONMENT = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
VITE = UI / "node_modules" / "vite" / "bin" / "vite.js"
AXE = UI / "node_modules" / "axe-core" / "axe.min.js"
BUILD_SECONDS = 240


def node(*arguments: str | Path, cwd: Path = UI, seconds: float = BUILD_SECONDS) -> subprocess.CompletedProcess[str]:
    """Runs a script to its end. `AssertionError` with what it said, where it fails."""
    assert NODE.exists(), "Node was not set up; run `make setup`."
    command = [NODE, "--no-warnings", *arguments]
    done = subprocess.run(command, cwd=cwd, env=_ENVIRONMENT, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def built(copy: Path | None = None) -> Path:
    """The folder of the pages; built before, where something has changed since. Or those that CLOISTER_PAGES names,
    for whoever is in the middle of a change.

    Args:
        copy: where to put a copy, which nobody else builds anew; its folder is returned then.
    """
    if elsewhere := os.environ.get("CLOISTER_PAGES"):
        return Path(elsewhere) if copy is None else Path(shutil.copytree(elsewhere, copy))
    with (ROOT / "Makefile").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # What is installed stays as it is: that is for `make setup`.
        command = ["make", "--no-print-directory", "--old-file", "setup", "pages"]
        done = subprocess.run(
            command, cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True, timeout=BUILD_SECONDS
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if copy is None:
            return DIST
        return Path(shutil.copytree(DIST, copy))
