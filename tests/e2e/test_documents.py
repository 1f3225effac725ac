"""The documents' commands and programs, run as they are written."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.documents import ROOT, blocks
from tests.ports import free_port

PORT = "8642"
"""The port that the documents name. Tests take a free one instead: others may run at the same time."""


def follow(document: str, folder: Path) -> str:
    """Does what a reader would do in an empty folder with a ``.venv``; returns what the commands printed."""
    (folder / ".venv").symlink_to(ROOT / ".venv")
    port = str(free_port())
    found = blocks(document)
    for block in found:
        if block.language == "python" and block.name:
            (folder / block.name).write_text(block.text)
    up, typed = (
        "".join(block.text for block in found if block.language == "sh" and (block.name == "up") is wanted)
        for wanted in (True, False)
    )
    running = subprocess.Popen(
        ["bash", "-c", f"exec {up.strip()}".replace(PORT, port)], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    with running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == f"ready http://127.0.0.1:{port}\n"
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", typed.replace(PORT, port)],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(folder)},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout
        finally:
            running.send_signal(signal.SIGTERM)


def test_readme(tmp_path: Path) -> None:
    output = follow("README.md", tmp_path)
    assert output.startswith("HELLO WORLD\n")
    assert "Result of shout has been fetched" in output


def test_tutorial(tmp_path: Path) -> None:
    output = follow("docs/tutorial.md", tmp_path)
    promised = [block.text for block in blocks("docs/tutorial.md") if block.language == "text"]
    assert len(promised) == 3
    for text in promised:
        assert text in output
    assert output.count(promised[-1]) == 3
    assert "salaries is valid." in output
    assert "This room is Salaries by team by anna@example.org for anna@example.org, bela@example.org" in output
    assert "Attached." in output
    assert output.count("Computation by-team has been started") == 1


def test_the_readmes_example_is_short() -> None:
    (example,) = (block for block in blocks("README.md") if block.name == "example.py")
    assert len([line for line in example.text.splitlines() if line.strip()]) <= 22
