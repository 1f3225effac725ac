"""Datasets on their way to the hub, from whatever a script holds them in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cloister.formats.dataset import Manifest
from cloister.sdk.key import Key
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import PARALLEL
from cloister.wire.transfers import upload as upload_chunks

_READ_SIZE = 1024 * 1024

Data = IO[bytes] | bytes | bytearray | memoryview | Path


def upload(hub: Hub, data: Data, key: Key, *, patience: Patience, parallel: int = PARALLEL) -> Manifest:
    """Encrypts a dataset and stores it with the hub under a fresh id; see `cloister.wire.transfers.upload`.

    Raises:
        TypeError: ``data`` is not bytes, or a file that was opened as text.
        ApiError: the hub refused, or stayed away.
    """
    dataset = os.urandom(32).hex()
    return upload_chunks(hub, _chunks(data), key.material, dataset, patience=patience, parallel=parallel)


def _chunks(data: Data) -> Iterator[bytes]:
    """The bytes of whatever was given, piece by piece."""
    if isinstance(data, bytes | bytearray | memoryview):
        view = memoryview(data).cast("B")
        yield from (bytes(view[start : start + _READ_SIZE]) for start in range(0, len(view), _READ_SIZE))
        return
    if isinstance(data, Path):
        with data.open("rb") as file:
            yield from _chunks(file)
        return
    if not hasattr(data, "read"):
        raise TypeError("The data must be bytes, a path, or a file opened with open(path, 'rb').")
    while chunk := data.read(_READ_SIZE):
        if not isinstance(chunk, bytes | bytearray):
            raise TypeError("The file was opened as text. Open it with open(path, 'rb').")
        yield bytes(chunk)
