"""Where packages come from: one index, and the hosts that its files lie on. The operator's choice, nobody else's."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cloister.errors import EnclaveError
from cloister.worker.images.index import PYPI, package_index

PORT = 443
_PYPI_FILES = "files.pythonhosted.org"


@dataclass(frozen=True)
class Source:
    """A package index, as the containers that resolve and install may use it."""

    index: str
    """The address of a simple repository (PEP 503), over HTTPS."""
    hosts: frozenset[tuple[str, int]]
    """All that may be reached: names in lower case, and ports."""
    certificates: bytes
    """PEM: by whom this machine believes that a host is who it says. Empty for the installer's own list."""


def configured_source() -> Source:
    """``CLOISTER_PACKAGE_INDEX``, and what ``CLOISTER_PACKAGE_HOSTS`` names besides; else the Python Package Index.

    Raises:
        EnclaveError: that can't be used.
    """
    index = package_index()
    named = [each.strip() for each in os.environ.get("CLOISTER_PACKAGE_HOSTS", "").split(",") if each.strip()]
    if index == PYPI:
        named.append(_PYPI_FILES)
    parts = urlsplit(index)
    try:
        if parts.scheme != "https" or parts.hostname is None:
            raise ValueError("only an index over HTTPS is used")
        if parts.username is not None or parts.password is not None:
            # It would be seen by whoever gets a message of the installer's.
            raise ValueError("the address of an index must not hold a password")
        hosts = {(parts.hostname, parts.port or PORT)} | {_host(each) for each in named}
    except ValueError as error:
        raise EnclaveError(
            f"Custom environments can't be made here: {error}. Ask the operator to set CLOISTER_PACKAGE_INDEX and "
            "CLOISTER_PACKAGE_HOSTS."
        ) from None
    return Source(index, frozenset(hosts), _certificates())


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if parts.hostname is None or parts.path or parts.username is not None:
        raise ValueError(f"{text!r} is not the name of a host")
    return parts.hostname, parts.port or PORT


def _certificates() -> bytes:
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file else b""
