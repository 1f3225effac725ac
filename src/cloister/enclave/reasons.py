"""Why a computation has no result, for whoever has asked for one."""

from __future__ import annotations

from cloister.enclave.room import Room
from cloister.enclave.under_way import Execution, VoidReason
from cloister.errors import Refused
from cloister.protocol import Failed
from cloister.rooms.decisions import open_room, published, voided
from cloister.rooms.permissions import Role, roles
from cloister.rooms.state import Run


def failed(node: str, failure: Failed) -> Refused:
    """The safe error of a failed computation, naming it."""
    return Refused("failed", f"The computation {node!r} failed. {failure.message}")


def why_failed(room: Room, user: str, run: Run) -> Refused:
    """How a run failed, as far as this user may know. Read from the store: a console may be long, and how a run failed
    is forgotten with the data that it read, and with the room.

    Raises:
        Refused: the room was stopped.
        LogTampered: as `Room.secret`.
    """
    open_room(room.state)
    failure = room.secret(f"failure/{run.id}", Failed) or Failed(message="The reason is gone.")
    error = failed(run.node, failure)
    shown = failure.log and Role.ANALYST in roles(published(room.state), user, run.node)
    return Refused(error.code, f"{error.message}\n\nIts console:\n{failure.log}") if shown else error


def why_voided(execution: Execution, reason: VoidReason) -> Refused:
    """That a computation was ended, or could not be brought to its end."""
    run = Run(execution.run, execution.node, execution.step.cache_key, execution.user, reason=reason)
    return Refused("conflict", voided(run))
