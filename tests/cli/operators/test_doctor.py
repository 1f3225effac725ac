"""`cloister doctor`, run as its users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cloister.cli.operators.doctor import lines
from cloister.worker.images.store import current_images
from cloister.worker.sandbox import probe
from cloister.worker.survey import Survey
from tests.containers import image_root

__all__ = ["image_root"]


def doctor(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cloister.cli", "doctor", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def survey(**environment: str) -> Survey:
    told = doctor("--json", **environment)
    assert told.stderr == ""
    found = msgspec.json.decode(told.stdout, type=Survey)
    assert told.returncode == (0 if found.safe else 1)
    return found


def test_it_says_what_a_worker_would_find(image_root: Path) -> None:
    found = survey()
    used = probe.detect(image_root)
    assert found.safe
    assert found.verdict == f"Computations can be run safely here, with {used.path.name}."
    tried = {each.name: each for each in found.runtimes}
    assert tried[used.path.name].enforces
    assert tried[used.path.name].version == used.version
    assert all(each.verdict == "not installed" for each in found.runtimes if each.path is None)
    images = {each.name: each.problem for each in found.images}
    assert images["python"] is None
    assert images.keys() == current_images().keys()
    assert found.scratch.folder == "/var/lib/cloister/scratch"
    assert found.scratch.encrypts, found.scratch.problem
    assert found.memory.total_bytes > found.memory.available_bytes > 0
    assert found.control_groups.missing == ()


def test_the_last_line_is_the_verdict() -> None:
    told = doctor()
    assert told.returncode == 0
    assert told.stdout.splitlines()[-1].startswith("Computations can be run safely here")


def test_workers_that_may_use_more_memory_than_there_is(tmp_path: Path) -> None:
    """Said, for the kernel would end some; but no reason to run none."""
    settings = tmp_path / "cloister.toml"
    settings.write_text(f"[up]\nworkers = 2\n[worker]\nmax_memory = '64TiB'\nscratch = '{tmp_path}'\n")
    told = doctor("--config", str(settings))
    assert told.returncode == 0
    assert "The computations of 2 workers may use 65536.0 GiB of memory each" in told.stdout
    assert f"scratch on disk:  {tmp_path}; " in told.stdout


def test_a_runtime_that_was_chosen_and_is_not_there(tmp_path: Path) -> None:
    found = survey(CLOISTER_RUNTIME=str(tmp_path / "none"))
    assert not found.safe
    assert "Computations can't be run safely" in found.verdict
    assert found.advice


def test_a_runtime_that_does_not_do_its_work(tmp_path: Path) -> None:
    """What is chosen is what counts, however good the others are; the advice names a good one."""
    bad = tmp_path / "bad"
    bad.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'bad 1.0'\nexit 0\n")
    bad.chmod(0o755)
    told = doctor(CLOISTER_RUNTIME=str(bad))
    assert told.returncode == 1
    assert "bad 1.0; refused: bad could not start a container" in told.stdout
    assert "leave CLOISTER_RUNTIME unset" in told.stdout


def test_no_image(tmp_path: Path) -> None:
    told = doctor(CLOISTER_IMAGES=str(tmp_path))
    assert told.returncode == 1
    assert "not tried: that needs root and an image" in told.stdout
    assert told.stdout.splitlines()[-1].endswith("run `cloister image build python`.")


@pytest.mark.parametrize("noswap", [True, False, None])
def test_a_machine_without_anything(noswap: bool | None) -> None:
    bare = msgspec.convert(
        {
            "safe": False,
            "verdict": "No.",
            "advice": ["Do this."],
            "root": False,
            "kernel": "5.10",
            "architecture": "aarch64",
            "cores": 1,
            "memory": {"total_bytes": 1, "available_bytes": 1, "swap_bytes": 1 << 30, "noswap": noswap},
            "control_groups": {"version": "none", "missing": ["cpu", "memory", "pids"], "delegated": False},
            "user_namespaces": False,
            "seccomp": False,
            "erofs": False,
            "loop_devices": False,
            "scratch": {"folder": "/s", "free_bytes": 1, "encrypts": False, "problem": "No mkfs.ext4."},
            "images": [],
            "runtimes": [],
            "tee": {"devices": ["AMD SEV-SNP"], "reports": True},
        },
        Survey,
    )
    text = "\n".join(lines(bare))
    assert "1.0 GiB of swap" in text
    assert "AMD SEV-SNP; evidence by configfs-tsm" in text
    assert "/s; 0.0 GiB free; No mkfs.ext4." in text
    assert "switched off" in text
    assert text.endswith("- Do this.\nNo.")
