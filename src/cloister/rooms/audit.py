"""The audit log as text: one event a line, five comma-separated fields, no other commas.

Epoch milliseconds, participant, notes, action, detail: the form that scripts written for the documented SDK read.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from cloister.rooms.events import (
    Body,
    DatasetAttached,
    DatasetFetched,
    DatasetRemoved,
    Event,
    KeyBound,
    KeyUnbound,
    LogRead,
    Published,
    Restored,
    ResultFetched,
    ResultLost,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
    Stopped,
)


def audit_text(events: Iterable[Event]) -> str:
    """All events, a line each, every line ended by a newline."""
    return "".join(f"{audit_line(event)}\n" for event in events)


def audit_line(event: Event) -> str:
    """One event, without the newline."""
    notes, action, detail = _describe(event.body)
    return ",".join(_plain(field) for field in (str(event.time), event.actor, notes, action, detail))


def _describe(body: Body) -> tuple[str, str, str]:
    match body:
        case Published(definition=definition):
            return "Room has been published", "publish", definition.id()
        case KeyBound(user=user, key=key, issuer=issuer):
            return f"Device key has been bound to {user} on the word of {issuer}", "bind key", key
        case KeyUnbound(user=user, key=key):
            return f"Device key of {user} has ended", "unbind key", key
        case DatasetAttached(node=node, manifest=manifest):
            return f"Dataset has been attached to {node}", "attach dataset", manifest
        case DatasetRemoved(node=node, manifest=manifest):
            return f"Dataset has been removed from {node}", "remove dataset", manifest
        case DatasetFetched(node=node, manifest=manifest):
            return f"Dataset of {node} has been fetched", "fetch dataset", manifest
        case RunStarted(node=node, run=run, epsilon=epsilon):
            cost = "" if epsilon is UNSET else f" at the cost of epsilon {epsilon:g}"
            return f"Computation {node} has been started{cost}", "start run", run
        case RunFinished(node=node, run=run):
            return f"Computation {node} has finished", "finish run", run
        case RunFailed(node=node, run=run, unspent=unspent):
            cost = "" if unspent is UNSET else " before it had begun: its epsilon is not spent"
            return f"Computation {node} has failed{cost}", "fail run", run
        case RunVoided(node=node, run=run, reason=reason):
            return f"Computation {node} has ended without a result: {reason}", "void run", run
        case ResultLost(node=node, run=run):
            return f"Result of {node} has been reported lost", "lose result", run
        case ResultFetched(node=node, run=run, spent=spent):
            cost = "" if spent is UNSET else f" at the cost of {spent} bytes of the quota"
            return f"Result of {node} has been fetched{cost}", "fetch result", run
        case LogRead(size=size):
            return "Audit log has been retrieved", "read log", str(size)
        case Stopped():
            return "Room has been stopped", "stop", ""
        case Restored(restore=restore):
            return "The operator has restored an old copy of the log: events may be lost", "restore", restore


def _plain(field: str) -> str:
    """Without commas, and without anything that ends a line or reorders it in some reader."""
    return "".join(character if character.isprintable() and character != "," else " " for character in field)
