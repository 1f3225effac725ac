"""How the enclave's tests run: each in an event loop of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.enclave.peers import Enclave


@pytest.fixture
def anyio_backend() -> str:
    """The enclave is written for asyncio."""
    return "asyncio"


@pytest.fixture
def enclave() -> Iterator[Enclave]:
    """An enclave whose store lies in memory."""
    running = Enclave()
    yield running
    running.close()
