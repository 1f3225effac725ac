"""Bulk data at rest: datasets and results.

A dataset is cut into parts of `PART_SIZE` plaintext bytes. Each part is one blob and one C2SP chunked-encryption
message (Cobblestone-256: AES-256-GCM with key commitment), whose context names the dataset, the part's index and
whether it is the last. So parts can't be swapped, reordered, moved to another dataset or cut off, can be sent in
parallel and resumed, and read at random.

The manifest lists the parts' sizes and ciphertext digests and a commitment to the key. Its digest is the dataset's
public name: it is what the log and receipts say, and it tells nothing about the plaintext but its length.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloister.errors import DecryptionFailed, VerificationError
from cloister.formats.encoding import Hex32, Record, Size, canonical, number, pack, sha256

PART_SIZE = 8 * 1024 * 1024
"""Plaintext bytes in every part but the last."""

KEY_SIZE = 32
_READ = 1024 * 1024
_CHUNK = 16 * 1024
_HEADER = 56
_TAG = 16


Bytes = bytes | bytearray
"""Parts are made in place: at 8 MiB, each copy that is not made can be noticed."""


class Part(Record, frozen=True, kw_only=True):
    """One encrypted part: what the blob store holds under the dataset's id and the part's index."""

    size: Size
    """Ciphertext bytes."""
    sha256: Hex32
    """Of the ciphertext."""


class Manifest(Record, frozen=True, kw_only=True):
    """What is needed, beside the key, to fetch and check a dataset."""

    version: Literal[1] = 1
    dataset: Hex32
    """The random id that blobs are kept under and that parts are bound to."""
    size: Size
    """Plaintext bytes."""
    parts: tuple[Part, ...]
    commitment: Hex32
    """See `commit_key`."""

    def digest(self) -> str:
        """The dataset's public name: SHA-256 of the canonical manifest, as hex."""
        return sha256(canonical(self)).hex()


def ciphertext_size(plaintext: int) -> int:
    """Bytes of one message that holds ``plaintext`` bytes: a header, and a tag for each chunk, the last one short."""
    return plaintext + _HEADER + _TAG * (plaintext // _CHUNK + 1)


PART_CIPHERTEXT_SIZE = ciphertext_size(PART_SIZE)


def part_count(size: int) -> int:
    """Parts of a dataset of ``size`` plaintext bytes; an empty one has one, empty, part."""
    return max(1, -(-size // PART_SIZE))


def check_manifest(manifest: Manifest) -> None:
    """Checks that the sizes and the number of parts are the only ones possible for the plaintext's size.

    Raises:
        VerificationError: they contradict each other.
    """
    count = part_count(manifest.size)
    if len(manifest.parts) != count:
        raise VerificationError(f"The manifest lists {len(manifest.parts)} parts where {count} are needed.")
    for index, part in enumerate(manifest.parts):
        if part.size != ciphertext_size(_plaintext_size(manifest, index)):
            raise VerificationError(f"The manifest gives part {index} a size that can't be.")


def commit_key(key: bytes, dataset: str) -> str:
    """A value that only this key gives for this dataset, and that tells nothing about the key.

    HKDF-SHA256 of the key, with the dataset's id in the info; 32 bytes, as hex.
    """
    info = pack("cloister/key-commitment/v1", bytes.fromhex(dataset))
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key).hex()


def check_key(key: bytes, manifest: Manifest) -> None:
    """Checks that ``key`` is the one that the dataset was encrypted with, without its ciphertext.

    Raises:
        DecryptionFailed: it is another one.
    """
    if len(key) != KEY_SIZE or not hmac.compare_digest(commit_key(key, manifest.dataset), manifest.commitment):
        raise DecryptionFailed("This is not the key that the dataset was encrypted with. Use the key of its upload.")


def encrypt_part(key: bytes, dataset: str, index: int, *, last: bool, plaintext: Bytes) -> bytearray:
    """Encrypts one part. The same call never gives the same bytes twice."""
    encryptor = Cobblestone256Encryptor(key, _context(dataset, index, last=last))
    # Into one buffer: putting two pieces together would take longer than encrypting them.
    ciphertext = bytearray(ciphertext_size(len(plaintext)))
    written = encryptor.update_into(plaintext, ciphertext)
    ciphertext[written:] = encryptor.finalize()
    return ciphertext


def decrypt_part(key: bytes, manifest: Manifest, index: int, ciphertext: Bytes) -> bytearray:
    """Checks and decrypts one part.

    Raises:
        DecryptionFailed: it is not that part of that dataset, or not under that key.
    """
    # 1. The blob is the one that the manifest names.
    part = manifest.parts[index]
    if len(ciphertext) != part.size or sha256(ciphertext).hex() != part.sha256:
        raise DecryptionFailed(f"Part {index} is not the one that was uploaded: the stored bytes were changed.")
    # 2. It was made under this key, for this place.
    last = index == len(manifest.parts) - 1
    try:
        decryptor = Cobblestone256Decryptor(key, _context(manifest.dataset, index, last=last))
        # Into one buffer, as in `encrypt_part`.
        plaintext = bytearray(len(ciphertext))
        del plaintext[decryptor.update_into(ciphertext, plaintext) :]
        plaintext += decryptor.finalize()
    except InvalidTag:
        raise DecryptionFailed(f"Part {index} can't be decrypted: wrong key, or a part from another place.") from None
    # 3. It has the length that the manifest promises.
    if len(plaintext) != _plaintext_size(manifest, index):
        raise DecryptionFailed(f"Part {index} is not as long as its manifest says.")
    return plaintext


def plain_parts(stream: BinaryIO | Iterable[Bytes]) -> Iterator[tuple[int, bool, bytearray]]:
    """Cuts a stream into what the parts hold. Yields ``(index, whether it is the last, plaintext)``."""
    chunks = cut(stream)
    current = next(chunks, bytearray())
    index = 0
    for following in chunks:
        yield index, False, current
        current, index = following, index + 1
    yield index, True, current


def cut(stream: BinaryIO | Iterable[Bytes]) -> Iterator[bytearray]:
    """Regroups a file or an iterable of chunks into pieces of `PART_SIZE` bytes, the last one shorter."""
    source: Iterator[Bytes]
    source = iter(lambda: stream.read(_READ), b"") if hasattr(stream, "read") else iter(stream)
    piece = bytearray()
    for chunk in source:
        left = memoryview(chunk)
        while left:
            taken = left[: PART_SIZE - len(piece)]
            piece += taken
            left = left[len(taken) :]
            if len(piece) == PART_SIZE:
                yield piece
                piece = bytearray()
    if piece:
        yield piece


def make_manifest(key: bytes, dataset: str, size: int, parts: Iterable[Part]) -> Manifest:
    """The manifest of a dataset whose parts are all made."""
    manifest = Manifest(dataset=dataset, size=size, parts=tuple(parts), commitment=commit_key(key, dataset))
    check_manifest(manifest)
    return manifest


def _plaintext_size(manifest: Manifest, index: int) -> int:
    if index < len(manifest.parts) - 1:
        return PART_SIZE
    return manifest.size - PART_SIZE * index


def _context(dataset: str, index: int, *, last: bool) -> bytes:
    return pack("cloister/dataset-part/v1", bytes.fromhex(dataset), number(index), b"\x01" if last else b"\x00")
