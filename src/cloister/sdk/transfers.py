"""Datasets on their way: encrypted while uploading, decrypted while downloading, several parts at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import IO

from cloister.errors import ApiError
from cloister.formats.dataset import Manifest, Part, decrypt_stream, encrypt_stream, make_manifest
from cloister.formats.encoding import sha256
from cloister.sdk.hub import Hub
from cloister.sdk.key import Key
from cloister.sdk.patience import Patience

PARALLEL = 8
"""Parts on their way at once: each is 8 MiB of memory."""
_READ_SIZE = 1024 * 1024

Data = IO[bytes] | bytes | bytearray | memoryview | Path


def upload(hub: Hub, data: Data, key: Key, *, patience: Patience, parallel: int = PARALLEL) -> Manifest:
    """Encrypts a dataset and stores it with the hub; memory use is bounded by ``parallel`` parts and two.

    A part that fails for want of a connection is sent again. If the upload fails altogether, what was stored of it
    is deleted again as far as possible.

    Raises:
        TypeError: ``data`` is not bytes, or a file that was opened as text.
        ApiError: the hub refused, or stayed away.
    """
    dataset = os.urandom(32).hex()
    try:
        return _upload(hub, _chunks(data), key, dataset, patience, parallel)
    except BaseException:
        # Nobody will ask for a dataset without a manifest; the hub throws it away sooner or later anyhow.
        with contextlib.suppress(ApiError):
            hub.delete_blob(dataset)
        raise


def _upload(hub: Hub, chunks: Iterator[bytes], key: Key, dataset: str, patience: Patience, parallel: int) -> Manifest:
    parts: list[Part] = []
    size = 0
    sending: set[Future[None]] = set()
    with ThreadPoolExecutor(parallel, thread_name_prefix="cloister-upload") as pool:
        try:
            for index, ciphertext, length in encrypt_stream(chunks, key.material, dataset):
                parts.append(Part(size=len(ciphertext), sha256=sha256(ciphertext).hex()))
                size += length
                sending.add(pool.submit(_put, hub, dataset, index, ciphertext, patience))
                del ciphertext
                if len(sending) >= parallel:
                    sending = _settle(sending)
            while sending:
                sending = _settle(sending)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    manifest = make_manifest(key.material, dataset, size, parts)
    patience.run(lambda: hub.complete_blob(dataset, len(parts)))
    return manifest


def _put(hub: Hub, dataset: str, index: int, ciphertext: bytes, patience: Patience) -> None:
    patience.run(lambda: hub.put_part(dataset, index, ciphertext))


def _settle(sending: set[Future[None]]) -> set[Future[None]]:
    """Waits until one has ended; raises what went wrong with it."""
    done, left = wait(sending, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return left


def download(
    hub: Hub, manifest: Manifest, key: bytes, into: IO[bytes], *, patience: Patience, parallel: int = PARALLEL
) -> bytes:
    """Fetches, checks and decrypts a dataset into a file.

    Returns:
        SHA-256 of the plaintext.

    Raises:
        DecryptionFailed, VerificationError: as `decrypt_stream`. What was written by then is genuine, but not whole.
        ApiError: the hub refused, or stayed away.
    """
    digest = hashlib.sha256()
    with ThreadPoolExecutor(parallel, thread_name_prefix="cloister-download") as pool:
        fetch = _ahead(pool, hub, manifest, patience, parallel)
        try:
            for plaintext in decrypt_stream(key, manifest, fetch):
                digest.update(plaintext)
                into.write(plaintext)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return digest.digest()


def _ahead(
    pool: ThreadPoolExecutor, hub: Hub, manifest: Manifest, patience: Patience, parallel: int
) -> Callable[[int], bytes]:
    """Parts in order, the next ones on their way already."""
    coming: deque[Future[bytes]] = deque()
    indices = iter(range(len(manifest.parts)))

    def fetch(_index: int) -> bytes:
        while len(coming) < parallel and (index := next(indices, None)) is not None:
            coming.append(pool.submit(_get, hub, manifest.dataset, index, patience))
        return coming.popleft().result()

    return fetch


def _get(hub: Hub, dataset: str, index: int, patience: Patience) -> bytes:
    return patience.run(lambda: hub.get_part(dataset, index))


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
