"""The Merkle tree against RFC 6962's own definition, Certificate Transparency's known answers, and pymerkle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pymerkle import InclusionProof, InmemoryTree  # type: ignore[import-untyped]

from cloister.errors import LogTampered
from cloister.formats.merkle import (
    BLOCK,
    EMPTY_ROOT,
    BlockTree,
    MerkleTree,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

CT_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
"""The leaves of the tests of Certificate Transparency's C++, Go and Python implementations."""
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
CT_B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
CT_C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
CT_D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
CT_E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
CT_F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
CT_G = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"


def tree_of(entries: Sequence[bytes]) -> MerkleTree:
    tree = MerkleTree()
    for entry in entries:
        tree.append(entry)
    return tree


# --- the definition of RFC 6962 section 2.1, word for word: slow, obviously right ---


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def mth(entries: Sequence[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: Sequence[bytes], complete: bool) -> list[bytes]:
    if m == len(entries):
        return [] if complete else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], complete), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


# --- known answers ---


@pytest.mark.parametrize("size", range(9))
def test_roots_of_certificate_transparency(size: int) -> None:
    assert tree_of(CT_LEAVES[:size]).root().hex() == CT_ROOTS[size]
    assert tree_of(CT_LEAVES).root(size).hex() == CT_ROOTS[size]


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, []),
        (0, 8, [CT_A, CT_B, CT_C]),
        (5, 8, [CT_D, "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0", CT_F]),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_inclusion_proofs_of_certificate_transparency(index: int, size: int, proof: list[str]) -> None:
    assert [step.hex() for step in tree_of(CT_LEAVES).inclusion_proof(index, size)] == proof


@pytest.mark.parametrize(
    ("old", "size", "proof"),
    [(1, 1, []), (1, 8, [CT_A, CT_B, CT_C]), (6, 8, [CT_G, CT_E, CT_F]), (2, 5, [CT_B, CT_D])],
)
def test_consistency_proofs_of_certificate_transparency(old: int, size: int, proof: list[str]) -> None:
    assert [step.hex() for step in tree_of(CT_LEAVES).consistency_proof(old, size)] == proof


# --- all small trees, against the definition and against pymerkle ---

ENTRIES = [b"entry %d" % index for index in range(40)]


def test_roots_and_proofs_are_those_of_the_definition() -> None:
    tree = tree_of(ENTRIES)
    for size in range(len(ENTRIES) + 1):
        assert tree.root(size) == mth(ENTRIES[:size])
        for m in range(size):
            assert tree.inclusion_proof(m, size) == path(m, ENTRIES[:size])
        for m in range(1, size + 1):
            assert tree.consistency_proof(m, size) == subproof(m, ENTRIES[:size], True)


def test_roots_on_the_way_to_several_entries() -> None:
    for size in range(len(ENTRIES)):
        tree = tree_of(ENTRIES[:size])
        assert list(tree.roots_before(ENTRIES[size:])) == [mth(ENTRIES[:end]) for end in range(size, len(ENTRIES))]
        assert len(tree) == size


def test_every_proof_verifies_and_only_where_it_belongs() -> None:
    size = 13
    tree = tree_of(ENTRIES[:size])
    for index in range(size):
        proof = tree.inclusion_proof(index)
        for claimed in range(-1, size + 2):
            if claimed == index:
                verify_inclusion(ENTRIES[index], claimed, size, tree.root(), proof)
            else:
                with pytest.raises(LogTampered):
                    verify_inclusion(ENTRIES[index], claimed, size, tree.root(), proof)
    for old in range(size + 1):
        proof = tree.consistency_proof(old)
        for claimed in range(-1, size + 2):
            if claimed == old:
                verify_consistency(claimed, tree.root(old), size, tree.root(), proof)
            else:
                with pytest.raises(LogTampered):
                    verify_consistency(claimed, tree.root(old), size, tree.root(), proof)


def test_pymerkle_builds_the_same_trees_and_accepts_the_proofs() -> None:
    """Inclusion only: its consistency proofs are of a form of its own."""
    foreign = InmemoryTree.init_from_entries(ENTRIES, algorithm="sha256")
    tree = tree_of(ENTRIES)
    for size in range(1, len(ENTRIES) + 1):
        assert foreign.get_root(size) == tree.root(size)
        for index in range(size):
            theirs = foreign.prove_inclusion(index + 1, size)
            ours = InclusionProof(
                "sha256",
                True,
                size,
                index + 1,
                theirs.rule,
                [leaf_hash(ENTRIES[index]), *tree.inclusion_proof(index, size)],
            )
            ours.verify(leaf_hash(ENTRIES[index]), tree.root(size), index=index + 1, size=size, algorithm="sha256")
            verify_inclusion(ENTRIES[index], index, size, foreign.get_root(size), theirs.path[1:])


# --- growing at random ---


class Growing(RuleBasedStateMachine):
    """A tree that grows, beside the list of its entries."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = MerkleTree()
        self.entries: list[bytes] = []

    @initialize(entries=st.lists(st.binary(max_size=8), max_size=70))
    def start(self, entries: list[bytes]) -> None:
        self.entries = list(entries)
        self.tree = MerkleTree(leaf_hash(entry) for entry in entries)

    @rule(entry=st.binary(max_size=40))
    def append(self, entry: bytes) -> None:
        expected = self.tree.root_with(entry)
        assert len(self.tree) == len(self.entries), "root_with changes nothing"
        self.tree.append(entry)
        self.entries.append(entry)
        assert self.tree.root() == expected

    @rule(data=st.data())
    def include(self, data: st.DataObject) -> None:
        if not self.entries:
            return
        size = data.draw(st.integers(1, len(self.entries)))
        index = data.draw(st.integers(0, size - 1))
        root, proof = self.tree.root(size), self.tree.inclusion_proof(index, size)
        verify_inclusion(self.entries[index], index, size, root, proof)
        self.refuse(data, proof, lambda changed: verify_inclusion(self.entries[index], index, size, root, changed))
        with pytest.raises(LogTampered):
            verify_inclusion(self.entries[index] + b"x", index, size, root, proof)
        with pytest.raises(LogTampered):
            verify_inclusion(self.entries[index], index, size, node_hash(root, root), proof)

    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(0, len(self.entries)))
        old = data.draw(st.integers(0, size))
        before, after = self.tree.root(old), self.tree.root(size)
        proof = self.tree.consistency_proof(old, size)
        verify_consistency(old, before, size, after, proof)
        self.refuse(data, proof, lambda changed: verify_consistency(old, before, size, after, changed))
        for roots in ((node_hash(before, before), after), (before, node_hash(after, after))):
            if old or roots[0] != before:
                with pytest.raises(LogTampered):
                    verify_consistency(old, roots[0], size, roots[1], proof)

    @staticmethod
    def refuse(data: st.DataObject, proof: list[bytes], verify: object) -> None:
        """Any change to a proof is refused."""
        assert callable(verify)
        changes = [[*proof, bytes(32)], [bytes(32), *proof]]
        if proof:
            at = data.draw(st.integers(0, len(proof) - 1))
            step = bytearray(proof[at])
            step[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
            changes += [
                proof[:-1],
                proof[1:],
                [*proof[:at], bytes(step), *proof[at + 1 :]],
                [*proof[:at], proof[at][:-1], *proof[at + 1 :]],
                [*proof[:at], b"", *proof[at:]],
            ]
        for changed in changes:
            with pytest.raises(LogTampered):
                verify(changed)

    @invariant()
    def same_root(self) -> None:
        assert len(self.tree) == len(self.entries)
        assert self.tree.root() == mth(self.entries)


TestGrowing = Growing.TestCase
TestGrowing.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


@given(st.integers(0, 2**70), st.integers(0, 2**70), st.lists(st.binary(min_size=32, max_size=32), max_size=80))
@settings(max_examples=200)
def test_made_up_proofs_over_any_sizes_are_refused(one: int, other: int, proof: list[bytes]) -> None:
    with pytest.raises(LogTampered):
        verify_inclusion(b"entry", one, other, bytes(32), proof)
    with pytest.raises(LogTampered):
        verify_consistency(one + 1, bytes(32), other + 2 if other != one else one + 2, b"\x01" * 32, proof)


def test_a_fork_is_noticed() -> None:
    mine, other = tree_of(ENTRIES[:7]), tree_of([*ENTRIES[:4], b"rewritten", *ENTRIES[5:20]])
    with pytest.raises(LogTampered):
        verify_consistency(7, mine.root(), 20, other.root(), other.consistency_proof(7))


def test_the_empty_tree() -> None:
    tree = MerkleTree()
    assert tree.root() == EMPTY_ROOT
    assert tree.root_with(b"") == leaf_hash(b"")
    verify_consistency(0, EMPTY_ROOT, 5, tree_of(ENTRIES[:5]).root(), [])
    with pytest.raises(LogTampered):
        verify_consistency(0, bytes(32), 5, tree_of(ENTRIES[:5]).root(), [])


@pytest.mark.parametrize("sizes", [(-1, 3), (4, 3), (2, 9)])
def test_proofs_that_can_not_be_made(sizes: tuple[int, int]) -> None:
    tree = tree_of(ENTRIES[:5])
    with pytest.raises(ValueError, match="no such"):
        tree.inclusion_proof(*sizes)
    with pytest.raises(ValueError, match="no such"):
        tree.consistency_proof(*sizes)
    with pytest.raises(ValueError, match="no such"):
        tree.root(sizes[1] + 5)


def test_adding_costs_a_logarithm() -> None:
    """A hundred thousand entries: seconds if an append or a proof were linear, a moment as it is."""
    tree = MerkleTree(bytes([index % 256]) * 32 for index in range(100_000))
    for index in range(0, 100_000, 1000):
        assert len(tree.inclusion_proof(index)) <= 17
        tree.root_with(b"entry")


# --- long logs, in blocks ---


@given(size=st.integers(0, 4 * BLOCK), data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_tree_in_blocks_is_the_same_tree(size: int, data: st.DataObject) -> None:
    entries = [number.to_bytes(4, "big") for number in range(size)]
    whole, blocks = tree_of(entries), BlockTree()
    skipped = data.draw(st.integers(0, size // BLOCK))
    for block in range(skipped):
        blocks.append_block(tree_of(entries[block * BLOCK : (block + 1) * BLOCK]).root())
    for entry in entries[skipped * BLOCK :]:
        blocks.append(entry)
    assert (len(blocks), blocks.blocks, blocks.root()) == (size, size // BLOCK, whole.root())
    assert blocks.root_with(b"more") == tree_of([*entries, b"more"]).root()
    old = data.draw(st.integers(0, size))
    needed = blocks.block_for(old)
    if needed is not None:
        with pytest.raises(ValueError, match="recalled"):
            blocks.consistency_proof(old)
        blocks.recall(needed, tree_of(entries[needed * BLOCK : (needed + 1) * BLOCK]))
    assert blocks.consistency_proof(old) == whole.consistency_proof(old)
    assert blocks.root(old) == whole.root(old)
    inside = tree_of(entries[old // BLOCK * BLOCK : old])
    assert blocks.root_inside(old // BLOCK, inside) == whole.root(old)


def test_a_tree_in_blocks_takes_a_block_back_only_as_it_was() -> None:
    entries = [number.to_bytes(4, "big") for number in range(BLOCK + 1)]
    blocks = BlockTree()
    for entry in entries:
        blocks.append(entry)
    for other in ([*entries[1:BLOCK], b"other"], entries[: BLOCK - 1], entries, []):
        with pytest.raises(LogTampered):
            blocks.recall(0, tree_of(other))
    with pytest.raises(ValueError, match="not complete"):
        blocks.append_block(blocks.root())
