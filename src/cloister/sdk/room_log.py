"""The log of a room, page by page: checked as it comes, and never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.errors import LogTampered
from cloister.formats.encoding import decode_canonical
from cloister.formats.merkle import BlockTree
from cloister.protocol import Log, ReadLog
from cloister.rooms.events import Event
from cloister.sdk.link import RoomLink, Told


def read_log(link: RoomLink) -> tuple[Told[Log], Iterator[Event]]:
    """The first answer, and all events up to its checkpoint. They are genuine once the last one has come: read all.

    Each page proves to extend the one before. Asking for a page is an event too: what has come behind the first answer
    is left for the next reading, so that this one ends.

    Raises:
        LogTampered: also while iterating: the events are not the ones that the enclave has signed.
    """
    first = link.ask(ReadLog(start=0), Log)
    return first, _events(link, first)


def _events(link: RoomLink, first: Told[Log]) -> Iterator[Event]:
    changed = LogTampered("The audit log is not the one that its checkpoint was signed for. Ask the operator why.")
    told, tree = first, BlockTree()
    while True:
        page = told.body.events
        if not page or len(tree) + len(page) > told.checkpoint.size:
            raise changed
        for data in page[: first.checkpoint.size - len(tree)]:
            yield decode_canonical(data, Event, what="an event")
            tree.append(data)
        if len(tree) == first.checkpoint.size:
            break
        told = link.ask(ReadLog(start=len(tree)), Log)
    if tree.root() != first.checkpoint.root:
        raise changed
