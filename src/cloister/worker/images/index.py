"""The package index: source archives, fetched by the digest that the recipe names.

uv fetches what it installs; it has no way to fetch what is to be patched first.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from pathlib import Path
from urllib.parse import urljoin

import httpx
import msgspec

from cloister.errors import ImageUnavailable

PYPI = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"
_MAX_BYTES = 256 * 1024 * 1024
_SECONDS = 60.0


class _File(msgspec.Struct):
    filename: str
    url: str
    hashes: dict[str, str]


class _Project(msgspec.Struct):
    """What an index says of a project (PEP 691), as far as it is needed."""

    files: list[_File]


def package_index() -> str:
    """``CLOISTER_PACKAGE_INDEX``, else the Python Package Index: the address of a simple repository (PEP 503)."""
    return os.environ.get("CLOISTER_PACKAGE_INDEX", PYPI).rstrip("/")


def fetch(name: str, version: str, sha256: str, *, into: Path) -> Path:
    """The source archive of that digest, in the folder ``into``.

    Raises:
        ImageUnavailable: the index doesn't have it, or sends something else.
    """
    index = package_index()
    try:
        with httpx.Client(timeout=_SECONDS, follow_redirects=True, verify=ssl.create_default_context()) as client:
            listing = client.get(f"{index}/{name}/", headers={"Accept": _JSON}).raise_for_status()
            project = msgspec.json.decode(listing.content, type=_Project)
            found = next((file for file in project.files if file.hashes.get("sha256") == sha256), None)
            if found is None:
                raise ImageUnavailable(f"the package index {index} does not have the source of {name} {version}")
            target = into / f"{name}.source"
            digest, size = hashlib.sha256(), 0
            with client.stream("GET", urljoin(str(listing.url), found.url)) as answer, target.open("xb") as file:
                for piece in answer.raise_for_status().iter_bytes():
                    digest.update(piece)
                    size += len(piece)
                    if size > _MAX_BYTES:
                        raise ImageUnavailable(f"the source of {name} {version} in {index} is too large")
                    file.write(piece)
    except (httpx.HTTPError, msgspec.DecodeError, OSError) as error:
        raise ImageUnavailable(
            f"the source of {name} {version} could not be fetched from {index}: {error or type(error).__name__}. "
            "The index has to speak the JSON form of the simple repository API"
        ) from error
    if digest.hexdigest() != sha256:
        raise ImageUnavailable(f"the source of {name} {version} that {index} sent is not what the recipe names")
    return target
