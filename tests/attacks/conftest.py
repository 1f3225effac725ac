"""Fixtures: a sandbox on this machine with the real image, and things on the host that scripts must not reach."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.gvisor import DIFFERENT
from tests.containers import Machine, image_root, machine_of, needs_gvisor

__all__ = ["image_root"]

UNDER_GVISOR = ("test_sandbox_files", "test_sandbox_kernel", "test_sandbox_resources")
"""The modules whose hostile scripts run under gVisor too, as far as it does the same. All others can be run so by
setting CLOISTER_RUNTIME=runsc."""


@pytest.fixture(
    scope="session", params=["cold", "warm", pytest.param("gvisor", marks=[needs_gvisor, pytest.mark.slow])]
)
def machine(request: pytest.FixtureRequest, image_root: Path) -> Iterator[Machine]:
    """Once of each kind."""
    with machine_of(request.param, image_root) as made:
        yield made


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under gVisor, leave out the modules that are not named above, and skip what is known to be different."""
    left_out = []
    for item in items:
        callspec = getattr(item, "callspec", None)
        if item.path.parent != Path(__file__).parent or callspec is None or callspec.params.get("machine") != "gvisor":
            continue
        if item.path.stem not in UNDER_GVISOR:
            left_out.append(item)
        name = item.name.partition("[")[0]
        for each in (name, *(f"{name}: {value}" for value in callspec.params.values())):
            if each in DIFFERENT:
                item.add_marker(pytest.mark.skip(reason=f"gVisor differs: {DIFFERENT[each]}"))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def abstract_socket() -> Iterator[str]:
    """The name of an abstract unix socket that the host listens at."""
    name = f"cloister-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        yield name
