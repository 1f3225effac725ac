"""Datasets: parts around their boundaries, every way to tamper, and memory that doesn't grow with the data."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterable, Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.errors import DecryptionFailed, VerificationError
from cloister.formats.dataset import (
    PART_CIPHERTEXT_SIZE,
    PART_SIZE,
    Manifest,
    Part,
    check_key,
    check_manifest,
    ciphertext_size,
    commit_key,
    cut,
    decrypt_part,
    encrypt_part,
    make_manifest,
    part_count,
)
from cloister.formats.encoding import sha256
from tests.parts import decrypted, encrypted

KEY = bytes(range(32))
OTHER_KEY = b"\x01" * 32
DATASET = "aa" * 32
OTHER = "bb" * 32


def pattern(size: int) -> bytes:
    """Bytes that differ from block to block."""
    block = b"".join(index.to_bytes(4, "big") for index in range(16384))
    return (block * (size // len(block) + 1))[:size]


def encrypt(data: bytes, key: bytes = KEY, dataset: str = DATASET) -> tuple[Manifest, list[bytes]]:
    parts = [bytes(ciphertext) for _, ciphertext, _ in encrypted([data], key, dataset)]
    listed = (Part(size=len(part), sha256=sha256(part).hex()) for part in parts)
    return make_manifest(key, dataset, len(data), listed), parts


def relist(manifest: Manifest, parts: list[bytes]) -> Manifest:
    """The manifest of somebody who may lie about ciphertext digests, but has no key."""
    listed = tuple(Part(size=len(part), sha256=sha256(part).hex()) for part in parts)
    return msgspec.structs.replace(manifest, parts=listed)


@pytest.fixture(scope="module")
def three() -> tuple[Manifest, list[bytes]]:
    """A dataset of two full parts and one byte."""
    return encrypt(pattern(2 * PART_SIZE + 1))


# --- round trips ---


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 2 * PART_SIZE])
def test_round_trip_around_boundaries(size: int) -> None:
    data = pattern(size)
    manifest, parts = encrypt(data)
    assert manifest.size == size
    assert len(parts) == len(manifest.parts) == part_count(size)
    assert [len(part) for part in parts[:-1]] == [PART_CIPHERTEXT_SIZE] * (len(parts) - 1)
    assert b"".join(decrypted(KEY, manifest, parts.__getitem__)) == data


@given(st.binary(max_size=40_000))
@settings(max_examples=40)
def test_the_size_of_a_ciphertext_is_known_ahead(data: bytes) -> None:
    assert len(encrypt_part(KEY, DATASET, 0, last=True, plaintext=data)) == ciphertext_size(len(data))


def test_parts_are_read_at_random(three: tuple[Manifest, list[bytes]]) -> None:
    manifest, parts = three
    data = pattern(2 * PART_SIZE + 1)
    assert decrypt_part(KEY, manifest, 2, parts[2]) == data[2 * PART_SIZE :]
    assert decrypt_part(KEY, manifest, 1, parts[1]) == data[PART_SIZE : 2 * PART_SIZE]


def test_the_same_data_never_gives_the_same_bytes_or_name() -> None:
    (one, parts), (two, others) = encrypt(b"same"), encrypt(b"same")
    assert parts != others
    assert one.digest() != two.digest()


# --- cutting ---


def chunks(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    position = 0
    for size in sizes:
        yield data[position : position + size]
        position += size
    yield data[position:]


@given(st.lists(st.integers(0, PART_SIZE // 2), max_size=6), st.integers(0, 2 * PART_SIZE + 3))
@settings(max_examples=15, deadline=None)
def test_pieces_do_not_depend_on_chunks(sizes: list[int], total: int) -> None:
    data = pattern(total)
    pieces = list(cut(chunks(data, sizes)))
    assert b"".join(pieces) == data
    assert [len(piece) for piece in pieces[:-1]] == [PART_SIZE] * (len(pieces) - 1)
    assert len(pieces) == -(-total // PART_SIZE)
    assert pieces == list(cut(io.BytesIO(data)))


class Trickle(io.RawIOBase):
    """A file that returns less than was asked for, as pipes do."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, 1_000_003))


def test_files_may_return_less_than_asked_for() -> None:
    data = pattern(PART_SIZE + 5)
    pieces = list(cut(Trickle(data)))
    assert [len(piece) for piece in pieces] == [PART_SIZE, 5]
    assert b"".join(pieces) == data


class Endless(io.RawIOBase):
    """A file of so many parts, made as it is read."""

    def __init__(self, parts: int) -> None:
        self._left = parts * PART_SIZE

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


@pytest.mark.parametrize("form", ["file", "chunks"])
def test_memory_does_not_grow_with_the_data(form: str) -> None:
    """Ten parts of plaintext and ciphertext pass; never more than a handful of parts are held at once."""
    block = bytes(1 << 20)
    stream = Endless(10) if form == "file" else (block for _ in range(80))
    sizes: list[int] = []
    tracemalloc.start()
    try:
        for _, ciphertext, size in encrypted(stream, KEY, DATASET):
            sizes.append(size)
            del ciphertext
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes == [PART_SIZE] * 10
    assert peak < 6.5 * PART_SIZE


# --- tampering with parts ---


@given(st.data())
def test_any_changed_byte_is_noticed_even_if_the_manifest_lies_about_it(data: st.DataObject) -> None:
    manifest, (part,) = encrypt(b"twenty bytes of data")
    position = data.draw(st.integers(0, len(part) - 1))
    changed = bytearray(part)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecryptionFailed, match="stored bytes were changed"):
        decrypt_part(KEY, manifest, 0, bytes(changed))
    with pytest.raises(DecryptionFailed, match="can't be decrypted"):
        decrypt_part(KEY, relist(manifest, [bytes(changed)]), 0, bytes(changed))


@given(st.integers(0, 91))
def test_any_truncation_is_noticed(length: int) -> None:
    manifest, (part,) = encrypt(b"twenty bytes of data")
    assert len(part) == 92
    with pytest.raises(DecryptionFailed, match="stored bytes were changed"):
        decrypt_part(KEY, manifest, 0, part[:length])
    with pytest.raises(DecryptionFailed):
        decrypt_part(KEY, relist(manifest, [part[:length]]), 0, part[:length])


def test_an_extension_is_noticed() -> None:
    manifest, (part,) = encrypt(b"twenty bytes of data")
    with pytest.raises(DecryptionFailed):
        decrypt_part(KEY, relist(manifest, [part + b"\0"]), 0, part + b"\0")


def test_a_message_cut_between_its_chunks_is_noticed() -> None:
    """Cobblestone's own truncation: at a chunk's end, with the manifest rewritten to fit."""
    manifest, (part,) = encrypt(pattern(40_000))
    shorter = part[: 56 + 16_400]
    lying = msgspec.structs.replace(relist(manifest, [shorter]), size=16_384)
    with pytest.raises(DecryptionFailed):
        decrypt_part(KEY, lying, 0, shorter)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 0, 2), (1, 1, 2)])
def test_reordered_parts_are_refused(three: tuple[Manifest, list[bytes]], order: tuple[int, ...]) -> None:
    manifest, parts = three
    moved = [parts[index] for index in order]
    with pytest.raises(DecryptionFailed, match="stored bytes were changed"):
        list(decrypted(KEY, manifest, moved.__getitem__))
    with pytest.raises(DecryptionFailed, match="a part from another place"):
        list(decrypted(KEY, relist(manifest, moved), moved.__getitem__))


def test_a_dataset_without_its_end_is_refused(three: tuple[Manifest, list[bytes]]) -> None:
    manifest, parts = three
    shorter = msgspec.structs.replace(relist(manifest, parts[:2]), size=2 * PART_SIZE)
    check_manifest(shorter)
    read = decrypted(KEY, shorter, parts.__getitem__)
    next(read)
    with pytest.raises(DecryptionFailed, match="a part from another place"):
        next(read)


def test_a_last_part_is_not_one_in_the_middle() -> None:
    last = encrypt_part(KEY, DATASET, 0, last=True, plaintext=pattern(PART_SIZE))
    end = encrypt_part(KEY, DATASET, 1, last=True, plaintext=b"x")
    listed = [Part(size=len(part), sha256=sha256(part).hex()) for part in (last, end)]
    manifest = make_manifest(KEY, DATASET, PART_SIZE + 1, listed)
    with pytest.raises(DecryptionFailed, match="a part from another place"):
        decrypt_part(KEY, manifest, 0, last)


def test_parts_of_another_dataset_under_the_same_key_are_refused() -> None:
    manifest, _ = encrypt(b"mine")
    _, parts = encrypt(b"your", dataset=OTHER)
    with pytest.raises(DecryptionFailed, match="a part from another place"):
        decrypt_part(KEY, relist(manifest, parts), 0, parts[0])


# --- keys ---


def test_a_wrong_key_is_noticed_without_and_with_the_ciphertext() -> None:
    manifest, parts = encrypt(b"data")
    with pytest.raises(DecryptionFailed, match="Use the key of its upload"):
        check_key(OTHER_KEY, manifest)
    with pytest.raises(DecryptionFailed, match="Use the key of its upload"):
        next(decrypted(OTHER_KEY, manifest, parts.__getitem__))
    with pytest.raises(DecryptionFailed, match="wrong key"):
        decrypt_part(OTHER_KEY, manifest, 0, parts[0])
    check_key(KEY, manifest)


@pytest.mark.parametrize("key", [b"", KEY[:31], KEY + b"\0", KEY[:16]])
def test_a_key_of_another_length_is_refused_though_its_commitment_fits(key: bytes) -> None:
    manifest, _ = encrypt(b"data")
    manifest = msgspec.structs.replace(manifest, commitment=commit_key(key, DATASET))
    with pytest.raises(DecryptionFailed, match="Use the key of its upload"):
        check_key(key, manifest)


def test_commitments_differ_by_key_and_dataset_and_are_not_the_key() -> None:
    values = {commit_key(key, dataset) for key in (KEY, OTHER_KEY) for dataset in (DATASET, OTHER)}
    assert len(values) == 4
    assert KEY.hex() not in values


# --- manifests that lie ---


def test_lies_of_a_manifest(three: tuple[Manifest, list[bytes]]) -> None:
    manifest, parts = three
    first, second, last = manifest.parts
    replace = msgspec.structs.replace
    lies: list[tuple[Manifest, str]] = [
        (replace(manifest, size=manifest.size - 1), "lists 3 parts where 2"),
        (replace(manifest, size=manifest.size + 1), "size that can't be"),
        (replace(manifest, size=0), "lists 3 parts where 1"),
        (replace(manifest, size=3 * PART_SIZE + 1), "lists 3 parts where 4"),
        (replace(manifest, size=2**53 - 1), "parts where"),
        (replace(manifest, parts=()), "lists 0 parts"),
        (replace(manifest, parts=(first, second)), "lists 2 parts"),
        (replace(manifest, parts=(first, second, last, last)), "lists 4 parts"),
        (replace(manifest, parts=(first, last, second)), "size that can't be"),
        (replace(manifest, parts=(replace(first, size=first.size - 1), second, last)), "part 0 a size"),
        (replace(manifest, parts=(replace(first, sha256="00" * 32), second, last)), "stored bytes were changed"),
        (replace(manifest, parts=(second, first, last)), "stored bytes were changed"),
        (replace(manifest, dataset=OTHER), "Use the key of its upload"),
        (replace(manifest, dataset=OTHER, commitment=commit_key(KEY, OTHER)), "a part from another place"),
        (replace(manifest, commitment="00" * 32), "Use the key of its upload"),
    ]
    for lie, message in lies:
        with pytest.raises(VerificationError, match=message):
            list(decrypted(KEY, lie, parts.__getitem__))
        assert lie.digest() != manifest.digest()


def test_a_manifest_is_checked_when_it_is_made() -> None:
    with pytest.raises(VerificationError, match="lists 0 parts"):
        make_manifest(KEY, DATASET, 5, [])
