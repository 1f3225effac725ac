"""Whole datasets, one part after the other: what `cloister.wire.transfers` does several at a time, on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from cloister.formats.dataset import (
    Bytes,
    Manifest,
    check_key,
    check_manifest,
    decrypt_part,
    encrypt_part,
    plain_parts,
)


def encrypted(stream: BinaryIO | Iterable[Bytes], key: bytes, dataset: str) -> Iterator[tuple[int, bytearray, int]]:
    """Index, ciphertext, and how many bytes of plaintext are in it, of each part."""
    for index, last, plaintext in plain_parts(stream):
        yield index, encrypt_part(key, dataset, index, last=last, plaintext=plaintext), len(plaintext)


def decrypted(key: bytes, manifest: Manifest, fetch: Callable[[int], Bytes]) -> Iterator[bytearray]:
    """What each part holds. Raises as `check_manifest`, `check_key` and `decrypt_part` do."""
    check_manifest(manifest)
    check_key(key, manifest)
    for index in range(len(manifest.parts)):
        yield decrypt_part(key, manifest, index, fetch(index))
