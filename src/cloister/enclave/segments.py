"""Blocks of a log in one piece: what makes opening a long room quick.

Every `BLOCK` rows are stored once more, together, as one sealed segment: the events, and the root of their tree. A
segment is a copy. Rows decide: a segment counts only where the row behind it opens under the root that it leads to, and
where it is missing, or is another one, the rows are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from cloister.errors import LogTampered
from cloister.formats.encoding import Hex32, Record, decode
from cloister.formats.merkle import BLOCK, MerkleTree, leaf_hash
from cloister.rooms.events import Event

MAX_BYTES = 64 * 1024 * 1024
"""Of a segment; a block of more stays in its rows alone."""


class Segment(Record, frozen=True, kw_only=True):
    """One block of a log. Canonical JSON."""

    version: Literal[1] = 1
    root: Hex32
    """Of the tree of these events alone."""
    events: tuple[Event, ...]


class _Entries(Record, frozen=True, kw_only=True):
    """The same, its events as the bytes that are hashed."""

    version: Literal[1] = 1
    root: Hex32
    events: tuple[msgspec.Raw, ...]


def name(block: int) -> str:
    """Where a segment lies: the name of a secret beside the room's log."""
    return f"segment/{block}"


def write_segment(entries: Sequence[bytes]) -> bytes | None:
    """The segment of a complete block, or None where it would be too large.

    Args:
        entries: `BLOCK` events as they are hashed.
    """
    events = b",".join(entries)
    if len(events) > MAX_BYTES:
        return None
    root = MerkleTree(map(leaf_hash, entries)).root().hex().encode()
    # Events are canonical already: put together in this order, so is the whole.
    return b'{"events":[' + events + b'],"root":"' + root + b'","version":1}'


def read_segment(data: bytes) -> Segment:
    """The events of a block, to fold. Nothing is hashed.

    Raises:
        VerificationError: it is not a segment, or not of a complete block.
    """
    segment = decode(data, Segment, what="a segment of a room's log")
    _check_length(segment.events)
    return segment


def read_entries(data: bytes) -> tuple[bytes, ...]:
    """The events of a block as they are hashed.

    Raises:
        VerificationError: as `read_segment`.
    """
    segment = decode(data, _Entries, what="a segment of a room's log")
    _check_length(segment.events)
    return tuple(map(bytes, segment.events))


def _check_length(events: Sequence[object]) -> None:
    if len(events) != BLOCK:
        raise LogTampered(f"A segment of a room's log has {len(events)} events instead of {BLOCK}.")
