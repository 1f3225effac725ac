"""Datasets on their way: encrypted while uploading, decrypted while downloading, several parts at once."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import IO, Protocol

from cloister.errors import ApiError
from cloister.formats.dataset import (
    Bytes,
    Manifest,
    Part,
    check_key,
    check_manifest,
    decrypt_part,
    encrypt_part,
    make_manifest,
    plain_parts,
)
from cloister.formats.encoding import sha256
from cloister.wire.hub import Hub
from cloister.wire.parts import fetch_part, send_part
from cloister.wire.patience import Patience

PARALLEL = 8
"""Parts on their way at once: each is 8 MiB of memory."""
_DECRYPTING = 2
"""Parts that are decrypted at once. That is faster than they come by any network."""


Told = Callable[[int], None]
"""Is told of bytes of plaintext that have arrived, since it was told last. What it raises ends the transfer."""


def untold(_size: int) -> None:
    """For transfers that nobody watches."""


class Ledger(Protocol):
    """What has arrived of an upload: kept by whoever wants to take it up again after this process has died."""

    def known(self, index: int, plaintext: Bytes) -> Part | None:
        """The part that has arrived before with this very content, if it has."""

    def arrived(self, index: int, part: Part) -> None:
        """The part whose content `known` was asked about has arrived now."""


def upload(
    hub: Hub,
    chunks: Iterable[bytes],
    key: bytes,
    dataset: str,
    *,
    patience: Patience,
    parallel: int = PARALLEL,
    told: Told = untold,
    ledger: Ledger | None = None,
) -> Manifest:
    """Encrypts a dataset and stores it with the hub; memory use is bounded by ``parallel`` parts and two.

    A part that fails for want of a connection is sent again. If the upload fails altogether, what was stored of it
    is deleted again as far as possible, unless there is a ledger.

    Args:
        dataset: the fresh random id that it is stored under, or that of the upload which the ledger knows.
        ledger: parts that it knows are not sent again.

    Raises:
        ApiError: the hub refused, or stayed away.
    """
    try:
        return _upload(hub, chunks, key, dataset, patience, parallel, told, ledger)
    except BaseException:
        # Nobody will ask for a dataset without a manifest; the hub throws it away sooner or later anyhow.
        if ledger is None:
            with contextlib.suppress(ApiError):
                hub.delete_blob(dataset)
        raise


def _upload(
    hub: Hub,
    chunks: Iterable[bytes],
    key: bytes,
    dataset: str,
    patience: Patience,
    parallel: int,
    told: Told,
    ledger: Ledger | None,
) -> Manifest:
    parts: list[Part] = []
    size = 0
    sending: dict[Future[bool], tuple[int, int]] = {}
    complete = False

    def settle() -> None:
        """Waits until one has ended; raises what went wrong with it."""
        nonlocal complete
        for future in wait(sending, return_when=FIRST_COMPLETED).done:
            index, length = sending.pop(future)
            complete = future.result()
            if ledger is not None:
                ledger.arrived(index, parts[index])
            told(length)

    with ThreadPoolExecutor(parallel, thread_name_prefix="cloister-upload") as pool:
        try:
            for index, last, plaintext in plain_parts(chunks):
                size += len(plaintext)
                known = ledger.known(index, plaintext) if ledger is not None else None
                if known is not None:
                    parts.append(known)
                    told(len(plaintext))
                    continue
                ciphertext = encrypt_part(key, dataset, index, last=last, plaintext=plaintext)
                digest = sha256(ciphertext)
                parts.append(Part(size=len(ciphertext), sha256=digest.hex()))
                # One part alone says that it is: that saves a request.
                closing = 1 if last and index == 0 else None
                sent = pool.submit(_put, hub, dataset, index, ciphertext, digest, closing, patience)
                sending[sent] = index, len(plaintext)
                del ciphertext, plaintext
                if len(sending) >= parallel:
                    settle()
            while sending:
                settle()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    manifest = make_manifest(key, dataset, size, parts)
    if not complete:
        patience.run(lambda: hub.complete_blob(dataset, len(parts)))
    return manifest


def _put(
    hub: Hub, dataset: str, index: int, ciphertext: Bytes, digest: bytes, closing: int | None, patience: Patience
) -> bool:
    return patience.run(lambda: send_part(hub, dataset, index, ciphertext, digest, closing=closing))


def download(
    hub: Hub,
    manifest: Manifest,
    key: bytes,
    into: IO[bytes],
    *,
    patience: Patience,
    parallel: int = PARALLEL,
    told: Told = untold,
) -> None:
    """Fetches, checks and decrypts a dataset into a file.

    Raises:
        DecryptionFailed, VerificationError: as `stream`. What was written by then is genuine, but not whole.
        ApiError: the hub refused, or stayed away.
    """
    with contextlib.closing(stream(hub, manifest, key, patience=patience, parallel=parallel, told=told)) as pieces:
        for plaintext in pieces:
            into.write(plaintext)


def stream(
    hub: Hub, manifest: Manifest, key: bytes, *, patience: Patience, parallel: int = PARALLEL, told: Told = untold
) -> Generator[Bytes]:
    """Fetches, checks and decrypts a dataset part by part, the next ones on their way already.

    Memory use is bounded by ``parallel`` parts and four. Nothing is fetched before the first part is asked for.

    Raises:
        DecryptionFailed, VerificationError: as `check_manifest`, `check_key`, `decrypt_part`. What came before is
            genuine, but not whole.
        ApiError: the hub refused, or stayed away.
    """
    check_manifest(manifest)
    check_key(key, manifest)
    # While it is decrypted a part is there twice.
    decrypting = threading.BoundedSemaphore(_DECRYPTING)

    def get(index: int) -> Bytes:
        ciphertext = patience.run(lambda: fetch_part(hub, manifest.dataset, index, manifest.parts[index]))
        with decrypting:
            return decrypt_part(key, manifest, index, ciphertext)

    pool = ThreadPoolExecutor(parallel, thread_name_prefix="cloister-download")
    coming: deque[Future[Bytes]] = deque()
    try:
        for index in range(len(manifest.parts)):
            coming.append(pool.submit(get, index))
            if len(coming) == parallel:
                yield _arrived(coming, told)
        while coming:
            yield _arrived(coming, told)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _arrived(coming: deque[Future[Bytes]], told: Told) -> Bytes:
    plaintext = coming.popleft().result()
    told(len(plaintext))
    return plaintext
