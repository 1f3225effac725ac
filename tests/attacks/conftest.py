"""Fixtures: a sandbox on this machine with the real image, and things on the host that scripts must not reach."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator

import pytest

from tests.containers import image_root, machine

__all__ = ["image_root", "machine"]


@pytest.fixture
def abstract_socket() -> Iterator[str]:
    """The name of an abstract unix socket that the host listens at."""
    name = f"cloister-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        yield name
