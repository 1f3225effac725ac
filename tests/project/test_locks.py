"""The lock files: every package pinned and hashed, no word of where it came from, and what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cloister.worker.images.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), *sorted(ROOT.glob("images/*/*.txt"))]

_SDK = PROJECT["project"]["dependencies"]
_SERVER = _SDK + PROJECT["project"]["optional-dependencies"]["server"]
_DEV = _SERVER + PROJECT["dependency-groups"]["dev"]


def requirements(lock: Path) -> dict[str, tuple[Requirement, list[str]]]:
    """Each requirement of a lock, by its name, with its hashes."""
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for line in lock.read_text().replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            parsed = Requirement(requirement)
            found[canonicalize_name(parsed.name)] = (parsed, hashes)
    return found


def pins(lock: Path) -> dict[str, str]:
    """The version of each package in a lock."""
    return {name: str(requirement.specifier) for name, (requirement, _) in requirements(lock).items()}


def name_of(lock: Path) -> str:
    return str(lock.relative_to(ROOT))


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_every_package_is_pinned_and_hashed(lock: Path) -> None:
    found = requirements(lock)
    assert found
    for requirement, hashes in found.values():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS, ids=name_of)
def test_no_lock_says_where_a_package_came_from(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "index-url" not in text
    assert "find-links" not in text
    assert " @ " not in text


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [("sdk", _SDK), ("server", _SERVER), ("dev", _DEV)],
)
def test_the_locks_hold_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    found = requirements(ROOT / f"requirements/{lock}.txt")
    for text in wanted:
        asked = Requirement(text)
        locked, _ = found[canonicalize_name(asked.name)]
        version = str(locked.specifier).removeprefix("==")
        assert asked.specifier.contains(version), f"{asked} is locked as {version}; run `make lock`"


def test_the_smaller_locks_agree_with_the_larger() -> None:
    sdk, server, dev, uv = (pins(ROOT / f"requirements/{name}.txt") for name in ("sdk", "server", "dev", "uv"))
    assert sdk.items() <= server.items() <= dev.items()
    assert uv.items() <= server.items()


def test_the_sdk_installs_without_the_servers_packages() -> None:
    server_only = {canonicalize_name(Requirement(text).name) for text in _SERVER[len(_SDK) :]}
    assert not server_only & pins(ROOT / "requirements/sdk.txt").keys()


@pytest.mark.parametrize(
    "asking", sorted([*ROOT.glob("images/*/packages.in"), *ROOT.glob("images/*/tools.in")]), ids=name_of
)
def test_the_images_locks_hold_what_their_sources_ask_for(asking: Path) -> None:
    locked = pins(asking.with_suffix(".txt"))
    python = load_recipe(asking.parent.name).python
    # What is built from source is not in the lock; the recipe names it by its digest.
    built = python.sources.packages if python and python.sources else {}
    for line in asking.read_text().splitlines():
        if text := line.partition("#")[0].strip():
            asked = Requirement(text)
            name = canonicalize_name(asked.name)
            version = built[name].version if name in built else locked[name].removeprefix("==")
            assert asked.specifier.contains(version), f"{asked} is locked as {version}; run `make lock`"
            assert not (name in built and name in locked)
