"""The last run of each computation that was started from this machine, so that its result can be asked for later."""

from __future__ import annotations

import contextlib
from typing import Literal

from cloister.cli.users.session import Session
from cloister.errors import VerificationError
from cloister.formats.encoding import Hex32, Record, canonical, decode, pack, sha256

_FOLDER = "jobs"


class _Job(Record, frozen=True, kw_only=True):
    version: Literal[1] = 1
    job: Hex32


def remember(session: Session, room: str, node: str, job: str) -> None:
    """Notes a run that was started."""
    # Where nothing can be noted, the id that was printed will do.
    with contextlib.suppress(OSError):
        session.folder.write(_name(session, room, node), canonical(_Job(job=job)))


def recall(session: Session, room: str, node: str) -> str | None:
    """The last run, or None."""
    try:
        stored = session.folder.read(_name(session, room, node))
        return None if stored is None else decode(stored, _Job, what="a remembered run").job
    except (OSError, VerificationError):
        return None


def _name(session: Session, room: str, node: str) -> str:
    whose = (session.login.url.encode(), session.client.user_email.encode())
    return f"{_FOLDER}/{sha256(pack('cloister/job-file/v1', *whose, bytes.fromhex(room), node.encode())).hex()}.json"
