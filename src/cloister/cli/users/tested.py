"""What was tested and published from which folder of this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from cloister.cli.users.session import Session
from cloister.errors import VerificationError
from cloister.formats.encoding import Hex32, Record, canonical, decode, pack, sha256
from cloister.sdk.report import RoomReport, without_consoles

_FOLDER = "tests"


class Kept(Record, frozen=True, kw_only=True):
    """Of one folder."""

    version: Literal[1] = 1
    report: RoomReport | UnsetType = UNSET
    """Of the last test, without what scripts have printed."""
    room: Hex32 | UnsetType = UNSET
    """The last one that was published."""


def remember(session: Session, folder: Path, *, report: RoomReport | None = None, room: str | None = None) -> None:
    """Notes a test, or a room that was published."""
    kept = recall(session, folder)
    if report is not None:
        kept = msgspec.structs.replace(kept, report=without_consoles(report))
    if room is not None:
        kept = msgspec.structs.replace(kept, room=room)
    # Where nothing can be noted, it has to be tested again.
    with contextlib.suppress(OSError):
        session.folder.write(_name(session, folder), canonical(kept))


def recall(session: Session, folder: Path) -> Kept:
    """What is known of a folder."""
    try:
        stored = session.folder.read(_name(session, folder))
        return Kept() if stored is None else decode(stored, Kept, what="a remembered test")
    except (OSError, VerificationError):
        return Kept()


def _name(session: Session, folder: Path) -> str:
    whose = (session.login.url.encode(), session.client.user_email.encode(), str(folder.resolve()).encode())
    return f"{_FOLDER}/{sha256(pack('cloister/test-file/v1', *whose)).hex()}.json"
