"""What users install: the wheels, built and tried in environments of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cloister.hub import bundle
from tests.pages import DIST, built

ROOT = Path(__file__).parents[2]
SDK_ALONE = """
import cloister, decentriq_platform
from cloister.analytics import AnalyticsDcrBuilder
from decentriq_platform.analytics import PythonComputeNodeDefinition
client = cloister.create_client("a@example.org", "token", api_host="127.0.0.1", api_port=1, api_use_tls=False)
try:
    client.get_data_room_descriptions()
except cloister.ServerError as error:
    print("away:", "could not be reached" in str(error))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The distribution and its twin under the documented name."""
    folder = tmp_path_factory.mktemp("wheels")
    built()
    for project in (ROOT, ROOT / "compat"):
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=project)
    return sorted(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_sdk_works_alone(wheels: list[Path], tmp_path: Path) -> None:
    python = tmp_path / "venv/bin/python"
    _run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    install = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python))
    _run(*install, "--require-hashes", "-r", str(ROOT / "requirements/sdk.txt"))
    _run(*install, "--no-deps", *map(str, wheels))
    assert _run(str(python), "-W", "error", "-c", SDK_ALONE, CLOISTER_HOME=str(tmp_path / "home")) == "away: True\n"

    cloister = str(tmp_path / "venv/bin/cloister")
    assert "cloister up" in _run(cloister, "--help")
    told = subprocess.run(
        [cloister, "up", "--data", str(tmp_path / "data")], capture_output=True, text=True, check=False
    )
    assert told.returncode != 0
    assert "cloister[server]" in told.stderr
    told = subprocess.run(
        [cloister, "room", "list"],
        env={"CLOISTER_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, "You are not logged in" in told.stderr) == (1, True)


def test_the_wheel_holds_all_that_is_needed(wheels: list[Path]) -> None:
    main = next(wheel for wheel in wheels if wheel.name.startswith("cloister-") and "compat" not in wheel.name)
    with zipfile.ZipFile(main) as archive:
        names = set(archive.namelist())
    assert {"cloister/py.typed", "cloister/worker/runners/launcher.py"} <= names
    assert any(name.endswith("recipe.toml") for name in names)
    assert not any(name.startswith(("tests/", "bench/")) for name in names)


def test_the_wheel_holds_the_web_pages(wheels: list[Path], tmp_path: Path) -> None:
    main = next(wheel for wheel in wheels if "compat" not in wheel.name)
    with zipfile.ZipFile(main) as archive:
        archive.extractall(tmp_path)
    inside = bundle.load(tmp_path / "cloister" / "ui")
    assert inside.manifest == bundle.load(DIST).manifest
    assert any(name.startswith("assets/") and name.endswith(".js") for name in inside.assets)
    said = _run(sys.executable, "-m", "cloister.cli", "ui", "--digest", PYTHONPATH=str(tmp_path))
    assert said == f"{inside.digest}\n"


def test_no_wheel_is_built_without_pages_or_with_old_ones(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "setup/wheel.py", "src/cloister/version.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "images").mkdir()

    def build(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "built")]
        environment = os.environ | environment
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    missing = build()
    assert (missing.returncode, "no web pages in ui/dist. Run `make pages`" in missing.stderr) == (1, True)
    document = tmp_path / "ui/dist/index.html"
    document.parent.mkdir(parents=True)
    document.touch()
    source = tmp_path / "ui/src/app/main.tsx"
    source.parent.mkdir(parents=True)
    source.touch()
    os.utime(document, (0, 0))
    old = build()
    assert (old.returncode, "older than their sources. Run `make pages`" in old.stderr) == (1, True)
    assert not list(tmp_path.rglob("*.whl"))
    assert build(CLOISTER_WITHOUT_PAGES="1").returncode == 0
    document.touch()
    assert build().returncode == 0


def _run(*command: str, cwd: Path | None = None, **environment: str) -> str:
    ran = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
