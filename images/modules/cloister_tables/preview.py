"""Previews: a result as it is, for those who may see so much of it. The enclave counts the bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cloister_util.error import SafeError

from cloister_tables.program import start


def run(config: dict[str, Any], inputs: Path, output: Path, scratch: Path) -> None:  # noqa: ARG001 - as all programs
    """Copies everything below its dependency's folder, or the one file that it is.

    Raises:
        SafeError: there is nothing.
    """
    name = config["dependency"]
    found = inputs / name
    if found.is_dir():
        # Not `copytree`: it wants to give the output the times and modes of the input, which isn't the program's to do.
        for path in sorted(found.rglob("*")):
            target = output / path.relative_to(found)
            if path.is_dir():
                target.mkdir()
            else:
                shutil.copyfile(path, target)
    elif found.is_file():
        shutil.copyfile(found, output / name)
    else:
        raise SafeError(f"There is nothing to preview: '{name}' has no data or result. Attach data to it first.")


def main() -> None:
    """Runs it in its container."""
    start(run)
