"""What holds of the checkout as a whole."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Put together here, so that this file may be searched too.
_HOSTS = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.", "deb." + "debian.org", "snapshot." + "debian.org"]
_PLACES = ["file:" + "///", "/wo" + "rk/", "/ro" + r"ot/\.", "/ho" + "me/[a-z]"]
_OPTIONS = ["--(extra-)?index" + "-url", "--find" + "-links"]
_NEVER = re.compile("|".join([*(re.escape(host) for host in _HOSTS), *_PLACES, *_OPTIONS]))
# What is about package indexes: it names the public one as the default, and tests that requirements name no others.
_ABOUT_INDEXES = {
    "src/cloister/worker/images/index.py",
    "src/cloister/worker/environments/source.py",
    "tests/rooms/test_environments.py",
    "tests/worker/environments/test_environments.py",
}
_OF_INDEXES = re.compile("|".join([*(re.escape(host) for host in _HOSTS[:2]), _PLACES[0], *_OPTIONS]))


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / os.fsdecode(name) for name in listing.split(b"\0") if name]


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    found = []
    for path in tracked_files():
        if path.is_file():
            for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1):
                name = str(path.relative_to(ROOT))
                if match := _NEVER.search(_OF_INDEXES.sub("", line) if name in _ABOUT_INDEXES else line):
                    found.append(f"{name}:{number}: {match[0]}")
    assert not found


def test_modules_are_small() -> None:
    modules = [path for path in (ROOT / "src").rglob("*.py") if "migrations" not in path.parts]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules}
    too_long = {name: length for name, length in lengths.items() if length > 450}
    assert not too_long, "a module has one reason to change and about 400 lines at most"


def test_continuous_integration_runs_what_the_readme_says() -> None:
    run = ROOT / ".ci/run"
    assert os.access(run, os.X_OK)
    assert [line for line in run.read_text().splitlines() if "make" in line] == ["exec make test"]


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    explained = set(re.findall(r"^([a-z]+):.*## ", makefile, flags=re.MULTILINE))
    assert {"help", "setup", "demo", "test", "check", "lock", "clean"} <= explained
    listing = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make ([a-z]+) ", listing, flags=re.MULTILINE)) == explained


@pytest.mark.parametrize("script", ["setup/setup", "setup/lock", "setup/release", ".ci/run"])
def test_scripts_parse(script: str) -> None:
    path = ROOT / script
    shell = path.read_text().splitlines()[0].removeprefix("#!").split()[-1]
    subprocess.run([shell, "-n", str(path)], check=True)
