"""The Merkle tree of RFC 6962 section 2: roots, inclusion proofs, consistency proofs, and their verification.

Verification follows RFC 9162 sections 2.1.3.2 and 2.1.4.2 (the same tree, the algorithms written out).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence

from cloister.errors import LogTampered

HASH_SIZE = 32
BLOCK_LEVEL = 10
BLOCK = 1 << BLOCK_LEVEL
"""Entries of a `BlockTree` that are kept, or let go, together."""
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """MTH of a list of one entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """MTH of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A growing tree. Keeps the hashes of all complete subtrees (64 bytes an entry), so that adding an entry and
    making a proof cost O(log n) hashes whatever its length."""

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._levels = [bytearray()]
        for leaf in leaf_hashes:
            self.append_hash(leaf)

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_SIZE

    def append(self, entry: bytes) -> None:
        """Adds an entry (its bytes, not its hash)."""
        self.append_hash(leaf_hash(entry))

    def append_hash(self, leaf: bytes) -> None:
        """Adds an entry by its `leaf_hash`."""
        index, level, node = len(self), 0, leaf
        self._levels[0] += node
        while index & 1:
            node = node_hash(self._node(level, index - 1), node)
            index, level = index >> 1, level + 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node

    def root(self, size: int | None = None) -> bytes:
        """The tree's root when it had ``size`` entries (now, by default)."""
        size = len(self) if size is None else size
        if not 0 <= size <= len(self):
            raise ValueError(f"no such size: {size} of {len(self)}")
        return self._range(0, size) if size else EMPTY_ROOT

    def root_with(self, entry: bytes) -> bytes:
        """The root that the tree would have after `append`, without changing it."""
        return self._joined(len(self), leaf_hash(entry))

    def roots_before(self, entries: Iterable[bytes]) -> Iterator[bytes]:
        """For each entry the root that the tree would have before it, were they appended one after the other; without
        changing it."""
        size = len(self)
        peaks = [self._node(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1]
        peaks.reverse()
        for entry in entries:
            yield functools.reduce(lambda right, left: node_hash(left, right), reversed(peaks)) if peaks else EMPTY_ROOT
            node, index = leaf_hash(entry), size
            while index & 1:
                node, index = node_hash(peaks.pop(), node), index >> 1
            peaks.append(node)
            size += 1

    def _joined(self, size: int, right: bytes) -> bytes:
        """The root of the first ``size`` entries with a subtree behind them that is as large as their smallest complete
        one, or smaller."""
        for level in range(size.bit_length()):
            if size >> level & 1:
                right = node_hash(self._node(level, (size >> level) - 1), right)
        return right

    def _node(self, level: int, index: int) -> bytes:
        """The root of a complete subtree of 2^level entries."""
        return bytes(self._levels[level][index * HASH_SIZE : (index + 1) * HASH_SIZE])

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """PATH(index, D[size])."""
        size = len(self) if size is None else size
        if not 0 <= index < size <= len(self):
            raise ValueError(f"no such entry: {index} of {size}")
        return self._path(index, 0, size)

    def consistency_proof(self, old: int, size: int | None = None) -> list[bytes]:
        """PROOF(old, D[size]). Empty where ``old`` is 0 or ``size``."""
        size = len(self) if size is None else size
        if not 0 <= old <= size <= len(self):
            raise ValueError(f"no such sizes: {old} and {size} of {len(self)}")
        return self._subproof(old, 0, size, complete=True) if 0 < old < size else []

    def _range(self, start: int, end: int) -> bytes:
        length = end - start
        if length & (length - 1) == 0:
            # Ranges of RFC 6962 begin at a multiple of their length where that is a power of two: it is complete.
            level = length.bit_length() - 1
            return self._node(level, start >> level)
        split = _split(length)
        return node_hash(self._range(start, start + split), self._range(start + split, end))

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + _split(end - start)
        if index < middle:
            return [*self._path(index, start, middle), self._range(middle, end)]
        return [*self._path(index, middle, end), self._range(start, middle)]

    def _subproof(self, old: int, start: int, end: int, *, complete: bool) -> list[bytes]:
        if old == end:
            return [] if complete else [self._range(start, end)]
        middle = start + _split(end - start)
        if old <= middle:
            return [*self._subproof(old, start, middle, complete=complete), self._range(middle, end)]
        return [*self._subproof(old, middle, end, complete=False), self._range(start, middle)]


class BlockTree(MerkleTree):
    """The same tree for long logs, in blocks of `BLOCK` entries: of each complete block it keeps the root alone.

    Takes 64 bytes for a block, and as many for each entry of the last, incomplete one. What lies inside a complete
    block can only be proven while that block is given back to it; see `recall`.
    """

    def __init__(self) -> None:
        self._blocks = MerkleTree()
        self._last = MerkleTree()
        self._recalled: tuple[int, MerkleTree] | None = None

    @property
    def blocks(self) -> int:
        """How many blocks are complete."""
        return len(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK + len(self._last)

    def append_hash(self, leaf: bytes) -> None:
        self._last.append_hash(leaf)
        if len(self._last) == BLOCK:
            self._blocks.append_hash(self._last.root())
            self._last = MerkleTree()

    def append_block(self, root: bytes) -> None:
        """Adds `BLOCK` entries by the root of their tree. Only where the tree ends at the end of a block."""
        if len(self._last):
            raise ValueError("the last block is not complete")
        self._blocks.append_hash(root)

    def root_inside(self, block: int, entries: MerkleTree) -> bytes:
        """The root of the log that ends with these first entries of a block."""
        if not len(entries):
            return self._blocks.root(block)
        return self._blocks._joined(block, entries.root())

    def block_for(self, old: int) -> int | None:
        """The block that a consistency proof from ``old`` entries takes (see `recall`); None where it takes none."""
        block, inside = divmod(old, BLOCK)
        return block if inside and block < self.blocks else None

    @property
    def recalled(self) -> int | None:
        """The block that was given back last."""
        return None if self._recalled is None else self._recalled[0]

    def is_block(self, block: int, entries: MerkleTree) -> bool:
        """Whether this is the tree of that complete block."""
        return len(entries) == BLOCK and hmac.compare_digest(entries.root(), self._node(BLOCK_LEVEL, block))

    def recall(self, block: int, entries: MerkleTree) -> None:
        """Gives a complete block back, for proofs; the one before it is let go.

        Raises:
            LogTampered: it was another one.
        """
        if not self.is_block(block, entries):
            raise LogTampered("A block of the log is not the one that it was.")
        self._recalled = block, entries

    def _node(self, level: int, index: int) -> bytes:
        if level >= BLOCK_LEVEL:
            return self._blocks._node(level - BLOCK_LEVEL, index)
        block = index >> BLOCK_LEVEL - level
        inside = index - (block << BLOCK_LEVEL - level)
        if block == self.blocks:
            return self._last._node(level, inside)
        if self._recalled is None or self._recalled[0] != block:
            raise ValueError(f"block {block} must be recalled first")
        return self._recalled[1]._node(level, inside)


def verify_inclusion(entry: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 section 2.1.3.2.

    Raises:
        LogTampered: the tree of that size and root does not have that entry at that index.
    """
    if not 0 <= index < size:
        raise LogTampered("The proof speaks of an entry that the log can't have.")
    if not all(len(step) == HASH_SIZE for step in proof):
        raise LogTampered("The inclusion proof is malformed.")
    fn, sn, computed = index, size - 1, leaf_hash(entry)
    for step in proof:
        if sn == 0:
            raise LogTampered("The inclusion proof is too long.")
        if fn & 1 or fn == sn:
            computed = node_hash(step, computed)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            computed = node_hash(computed, step)
        fn, sn = fn >> 1, sn >> 1
    if sn or not hmac.compare_digest(computed, root):
        raise LogTampered("The entry is not part of the log whose checkpoint was shown.")


def verify_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 section 2.1.4.2, with the trivial cases that it leaves to the caller.

    Raises:
        LogTampered: the newer tree is not an extension of the older one.
    """
    changed = LogTampered("The log was changed: what it shows now does not extend what it showed before.")
    if not 0 <= old_size <= size or not all(len(step) == HASH_SIZE for step in proof):
        raise changed
    if old_size == size or old_size == 0:
        expected = root if old_size else EMPTY_ROOT
        if proof or not hmac.compare_digest(old_root, expected):
            raise changed
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise changed
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for step in path[1:]:
        if sn == 0:
            raise changed
        if fn & 1 or fn == sn:
            fr, sr = node_hash(step, fr), node_hash(step, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, step)
        fn, sn = fn >> 1, sn >> 1
    if sn or not (hmac.compare_digest(fr, old_root) and hmac.compare_digest(sr, root)):
        raise changed


def _split(length: int) -> int:
    """The largest power of two smaller than ``length``."""
    return 1 << (length - 1).bit_length() - 1
