"""The operator's word that the store is a restored copy: a note for each room that it had, beside its log.

Notes are not sealed: they are the operator's, not the enclave's. All that one can do is to have the event `Restored`
appended to its room, in plain sight.
"""

from __future__ import annotations

import msgspec

from cloister.enclave.logs import log
from cloister.enclave.store import SealedStore
from cloister.errors import VerificationError
from cloister.formats.encoding import decode
from cloister.rooms.events import Restored

NOTE = "restored"
"""What the store calls it. The names of secrets are digests, so that none is called so."""


def declaration(restore: str, declared: int) -> bytes:
    """The note, for the restore of that id (hex), at that time (milliseconds since 1970)."""
    return msgspec.json.encode(Restored(restore=restore, declared=declared))


def read_declaration(store: SealedStore, room: str) -> Restored | None:
    """The last restore that was declared for a room, if any.

    Raises:
        StoreFailed: the store can't be read.
    """
    note = store.secret(room, NOTE)
    try:
        return None if note is None else decode(note, Restored, what="the declaration of a restore")
    except VerificationError:
        log.warning("a room has a declaration of a restore that can't be read")
        return None
