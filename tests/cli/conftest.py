"""Users of the command line, at a hub and an enclave in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.user import User
from tests.sdk.conftest import OWNER, Room, World, publish, world

__all__ = ["publish", "world"]


@pytest.fixture
def owner(world: World, publish: Callable[..., Room]) -> User:
    """Logged in; owner, data owner and analyst of a room called Uppercase, published on the same machine."""
    publish()
    mine = User(OWNER, world.tokens[OWNER], world.url, world.folder / OWNER)
    mine.login()
    return mine


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command writes into the folder that it is called in."""
    monkeypatch.chdir(tmp_path)
