"""A room's log in the store: read, checked and folded; rows and segments for what comes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import islice

from cloister.enclave import segments
from cloister.enclave.storage_key import secret_label
from cloister.enclave.store import SealedStore, StoreFailed
from cloister.errors import LogTampered, VerificationError
from cloister.formats.encoding import decode_canonical
from cloister.formats.merkle import BLOCK, BlockTree, MerkleTree, leaf_hash
from cloister.formats.sealed import open_row, open_secret, seal_row, seal_secret
from cloister.rooms.events import Event

Take = Callable[[Event], None]


class SealedLog:
    """The log of one room. In memory is what it takes to go on and to prove: 64 bytes for `BLOCK` events, and for each
    event of the last, incomplete block.

    Methods that read the store may run in a thread; meanwhile nothing is appended.
    """

    def __init__(self, room: str, store: SealedStore, key: bytes) -> None:
        self._room = room
        self._store = store
        self._key = key
        self._tree = BlockTree()

    def __len__(self) -> int:
        return len(self._tree)

    def root(self) -> bytes:
        """Of all events."""
        return self._tree.root()

    def root_with(self, entry: bytes) -> bytes:
        """The root once ``entry`` is appended."""
        return self._tree.root_with(entry)

    # --- opening ---

    def load(self, start: Callable[[], Take]) -> None:
        """Reads the log.

        Args:
            start: called at the beginning of each attempt; what it returns is then given every event in order.

        Raises:
            LogTampered: a row was changed, moved or taken out.
        """
        try:
            self._tree, from_rows = self._read_all(start(), with_segments=True)
        except VerificationError:
            # A segment that is stale, of another log or damaged must not keep the room closed: its rows decide.
            self._tree, from_rows = self._read_all(start(), with_segments=False)
        # A store that can't be written to can be read all the same.
        with contextlib.suppress(StoreFailed):
            for block in from_rows:
                # The last one waits for the row behind it.
                if (block + 1) * BLOCK < len(self._tree) and (put := self._segment_of(block)):
                    self._store.append(self._room, len(self._tree), [], put=put)

    def _read_all(self, take: Take, *, with_segments: bool) -> tuple[BlockTree, list[int]]:
        """The tree, and the complete blocks that were read from rows."""
        tree = BlockTree()
        from_rows: list[int] = []
        confirmed = True
        while True:
            block = tree.blocks
            data = self._segment(block) if with_segments else None
            if data is not None:
                segment = segments.read_segment(data)
                tree.append_block(bytes.fromhex(segment.root))
                for event in segment.events:
                    take(event)
                confirmed = False
                continue
            for entry in self._rows(tree, block):
                confirmed = True
                take(decode_canonical(entry, Event, what="an event"))
                tree.append(entry)
            if tree.blocks == block:
                break
            from_rows.append(block)
        if not confirmed:
            raise LogTampered("The segments of the room's log go beyond its rows.")
        return tree, from_rows

    def _rows(self, tree: BlockTree, block: int) -> Iterator[bytes]:
        """The events of a block from its rows, each checked against ``tree``: its place, and all that came before."""
        inside = MerkleTree()
        first = block * BLOCK
        for offset, row in enumerate(islice(self._store.read(self._room, first), BLOCK)):
            entry = open_row(self._key, self._room, first + offset, tree.root_inside(block, inside), row)
            inside.append(entry)
            yield entry

    def _segment(self, block: int) -> bytes | None:
        name = segments.name(block)
        sealed = self._store.secret(self._room, secret_label(self._key, self._room, name))
        return None if sealed is None else open_secret(self._key, self._room, name, sealed)

    # --- appending ---

    def row(self, entry: bytes) -> bytes:
        """The next row."""
        return seal_row(self._key, self._room, len(self._tree), self._tree.root(), entry)

    def segment_due(self) -> dict[str, bytes]:
        """What is to be put beside the log together with the next row: a segment, where a block has become complete."""
        block, inside = divmod(len(self._tree), BLOCK)
        if inside or not block:
            return {}
        try:
            return self._segment_of(block - 1)
        except VerificationError:
            # Rows that were changed are found when they are next read; going on does not depend on them.
            return {}

    def _segment_of(self, block: int) -> dict[str, bytes]:
        data = segments.write_segment(self._checked_rows(block))
        if data is None:
            return {}
        name = segments.name(block)
        return {secret_label(self._key, self._room, name): seal_secret(self._key, self._room, name, data)}

    def take(self, entry: bytes) -> None:
        """An event that was written."""
        self._tree.append(entry)

    # --- telling ---

    def entries(self, start: int, most_bytes: int) -> tuple[bytes, ...]:
        """Events from an index on, as they are hashed: one at least, and then as many as fit.

        Raises:
            LogTampered: they are not those that were written.
        """
        found: list[bytes] = []
        size = 0
        for entry in self._from(start):
            size += len(entry)
            if found and size > most_bytes:
                break
            found.append(entry)
        return tuple(found)

    def _from(self, start: int) -> Iterator[bytes]:
        block, offset = divmod(start, BLOCK)
        while block < self._tree.blocks:
            yield from self._block(block)[0][offset:]
            block, offset = block + 1, 0
        yield from islice(self._rows(self._tree, block), offset, None)

    def recall(self, seen: int) -> None:
        """Reads what `consistency` from ``seen`` events takes, where that lies in a complete block.

        Raises:
            LogTampered: as `entries`.
        """
        block = self._tree.block_for(seen)
        if block is not None:
            self._tree.recall(block, self._block(block)[1])

    def is_recalled(self, seen: int) -> bool:
        """Whether `consistency` from ``seen`` events takes nothing from the store (any more)."""
        return self._tree.block_for(seen) in (None, self._tree.recalled)

    def consistency(self, seen: int) -> tuple[bytes, ...]:
        """Proof that the log extends the one of ``seen`` events."""
        return tuple(self._tree.consistency_proof(seen))

    def _block(self, block: int) -> tuple[tuple[bytes, ...], MerkleTree]:
        """The events of a complete block, and their tree: from its segment if that is the true one, else from rows."""
        try:
            data = self._segment(block)
            if data is not None:
                entries = segments.read_entries(data)
                tree = MerkleTree(map(leaf_hash, entries))
                if self._tree.is_block(block, tree):
                    return entries, tree
        except VerificationError:
            pass
        entries = self._checked_rows(block)
        return entries, MerkleTree(map(leaf_hash, entries))

    def _checked_rows(self, block: int) -> tuple[bytes, ...]:
        """The events of a complete block from its rows."""
        entries = tuple(self._rows(self._tree, block))
        if not self._tree.is_block(block, MerkleTree(map(leaf_hash, entries))):
            raise LogTampered(f"Rows of block {block} of the room's log are missing from the store.")
        return entries
