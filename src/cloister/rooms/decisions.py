"""What may happen next in a room: a request and the state become events, or a refusal.

Pure. Each function answers an authorised request with the events that it causes; an empty list means that it has
been answered before, or changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from typing import TypeVar

from msgspec import UNSET, UnsetType

from cloister.errors import Refused
from cloister.formats.receipt import Input
from cloister.rooms.definition import Definition
from cloister.rooms.events import (
    Body,
    DatasetAttached,
    DatasetFetched,
    DatasetRemoved,
    KeyUnbound,
    Restored,
    ResultLost,
    RunFailed,
    RunFinished,
    RunVoided,
    Stopped,
)
from cloister.rooms.nodes import PreviewNode, RunNode, epsilon_of
from cloister.rooms.permissions import NO_SUCH_ROOM
from cloister.rooms.planning import plan
from cloister.rooms.state import RoomState, Run, RunStatus, exactly

Ended = TypeVar("Ended", RunFinished, RunFailed)

MAX_LOSSES = 3
"""Results of one question that may be lost in a room, and computed anew."""
CLOCK_TOLERANCE = 1000
"""Milliseconds by which the host's clock may step back, as clocks that are being set do."""


def published(state: RoomState) -> Definition:
    """The definition of a room that exists.

    Raises:
        Refused: ``not_found``.
    """
    if state.definition is None:
        raise Refused("not_found", NO_SUCH_ROOM)
    return state.definition


def event_time(state: RoomState, now: int) -> int:
    """The time (milliseconds since 1970) to write into the next event.

    Raises:
        Refused: the host's clock is before the last event.
    """
    if now < state.time - CLOCK_TOLERANCE:
        raise Refused("failed", "The enclave's clock is behind the room's last event. Ask the operator to set it.")
    return max(now, state.time)


def open_room(state: RoomState) -> None:
    """Raises:
    Refused: ``conflict``, where the room was stopped.
    """
    if state.stopped:
        raise Refused("conflict", "The room was stopped: nothing can be attached, run or fetched any more.")


def attachable(state: RoomState, node: str, request: str) -> bool:
    """Whether a dataset may come to a data node now; not, where it has come by this very request before.

    Raises:
        Refused: ``conflict``, where the room was stopped or the node has another dataset.
    """
    open_room(state)
    if (node, request) in state.answered:
        return False
    if node in state.attached:
        raise Refused("conflict", f"The data node {node!r} already has a dataset. Remove that one first.")
    return True


def attach(state: RoomState, node: str, manifest: str, request: str, readers: Collection[str] = ()) -> list[Body]:
    """A dataset comes to a data node.

    Args:
        readers: device keys that it is attached for. Those count that speak for a data owner of the node by now.

    Raises:
        Refused: as `attachable`.
    """
    if not attachable(state, node, request):
        return []
    owners = (entry.user for entry in published(state).participants if node in entry.data_owner_of)
    speaking = {key for owner in owners for key in state.keys.get(owner, ())}
    known = tuple(sorted(speaking.intersection(readers)))
    return [DatasetAttached(node=node, manifest=manifest, request=request, readers=known or UNSET)]


def remove(state: RoomState, node: str, request: str) -> list[Body]:
    """The dataset of a data node goes; also after the room was stopped.

    Raises:
        Refused: ``conflict``, where there is none.
    """
    if (node, request) in state.answered:
        return []
    there = state.attached.get(node)
    if there is None:
        raise Refused("conflict", f"The data node {node!r} has no dataset to remove.")
    return [DatasetRemoved(node=node, manifest=there, request=request)]


def fetch_dataset(state: RoomState, node: str, key: str) -> DatasetFetched:
    """What is attached to a data node is shown to one of its data owners, who asks with this device key.

    Raises:
        Refused: ``conflict``, where the room was stopped or the node has no dataset; ``forbidden``, where it was not
            attached for that device: whoever attached it has not seen its key.
    """
    open_room(state)
    there = state.attached.get(node)
    if there is None:
        raise Refused("conflict", f"The data node {node!r} has no dataset to fetch.")
    fetch_table(state, node, key)
    return DatasetFetched(node=node, manifest=there)


def fetch_table(state: RoomState, node: str, key: str) -> None:
    """Data owners get their data as it was validated, too, only on devices that whoever attached it has looked at.

    Raises:
        Refused: ``forbidden``, where it was not attached for that device.
    """
    if key not in state.readers.get(node, ()):
        raise Refused(
            "forbidden",
            "The dataset was not attached for this device, so it doesn't get it. Use the device that has attached it; "
            "or attach it anew once this one is in the room, with check_keys, so that its key is looked at.",
        )


def stop(state: RoomState) -> list[Body]:
    """The room ends."""
    return [] if state.stopped else [Stopped()]


def unbind(state: RoomState, user: str, key: str, asking: str) -> list[Body]:
    """A device key of the user's own ends, also one that was never bound here; also after the room was stopped.

    Args:
        asking: the device key that has signed the request.

    Raises:
        Refused: ``conflict``, where that is the one: nobody locks themselves out.
    """
    if (user, key) in state.unbound:
        return []
    if key == asking:
        raise Refused("conflict", "A device can't end its own key. Do it from another of your devices.")
    return [KeyUnbound(user=user, key=key)]


def restored(state: RoomState, declared: Restored) -> list[Body]:
    """The operator declares that the store is an old copy. Told once for each restore."""
    if state.restored is not None and state.restored.restore == declared.restore:
        return []
    return [declared]


def cost(state: RoomState, node: RunNode, inputs: Collection[Input]) -> float | UnsetType:
    """The epsilon that a run which is about to start costs each data node that it reads; unset where it costs none.

    Raises:
        Refused: ``conflict``, where that is more than the room's budget has left for one of them.
    """
    epsilon = epsilon_of(node)
    budget = published(state).privacy_budget
    if epsilon is UNSET or budget is UNSET:
        return epsilon
    for each in inputs:
        left = exactly(budget) - state.privacy.get(each.node, Fraction(0))
        if each.manifest is not None and exactly(epsilon) > left:
            raise Refused(
                "conflict",
                f"The computation {node.id!r} costs epsilon {epsilon:g} of {each.node!r}, whose budget of {budget:g} "
                f"has {max(0.0, float(left)):g} left. Use a result that is there already, or publish a room with "
                "another budget.",
            )
    return epsilon


def release(state: RoomState, run: Run, ended: Ended) -> Ended | RunVoided:
    """Whether the result of a run that has just ended, or how it failed, is released: decided on the state of now, not
    of its start."""
    if state.stopped:
        return RunVoided(run=run.id, node=run.node, reason="room stopped")
    read = [each for each in run.inputs if each.manifest is not None]
    if any(state.attached.get(each.node) != each.manifest for each in read) or run.status is not RunStatus.RUNNING:
        return RunVoided(run=run.id, node=run.node, reason="input removed")
    return ended


def lose(state: RoomState, node: str, run_id: str) -> list[Body]:
    """An analyst says that the hub has lost a result. Whether that is so can't be known here, and a script that makes
    use of chance gives another answer each time it runs: so this is told in the log, and done a few times at most.

    Raises:
        Refused: ``conflict``, where results of that question were lost too often.
    """
    open_room(state)
    run = state.runs.get(run_id)
    if run is None or run.node != node or run.status is not RunStatus.FINISHED:
        return []
    if state.losses.get(run.cache_key, 0) >= MAX_LOSSES:
        raise Refused(
            "conflict",
            f"Results of {node!r} over this data were reported lost {MAX_LOSSES} times; it is not computed again. Ask "
            "the operator to restore the hub's blobs.",
        )
    return [ResultLost(run=run.id, node=node)]


def fetch(state: RoomState, room: str, node: str, run: str | None) -> Run:
    """The run whose result answers a fetch: a given one, or that of the node over the data of now.

    Raises:
        Refused: where there is none, saying why.
    """
    open_room(state)
    definition = published(state)
    if run is None:
        cache_key = plan(definition, room, node, state.attached)[-1].cache_key
        run = state.results.get(cache_key) or state.running.get(cache_key)
    found = state.runs.get(run) if run else None
    if found is None or found.node != node:
        raise Refused("not_found", f"The computation {node!r} has no result. Run it first.")
    match found.status:
        case RunStatus.FINISHED:
            return found
        case RunStatus.LOST:
            raise Refused("conflict", f"The result of {node!r} was reported lost. Run it again.")
        case RunStatus.WITHDRAWN:
            raise Refused("conflict", "Data that this result was derived from was removed; the result went with it.")
        case RunStatus.RUNNING:
            raise Refused("conflict", f"The computation {node!r} is still running. Wait for it.")
        case RunStatus.FAILED:
            raise Refused("failed", f"The computation {node!r} failed. Run it again once its cause is mended.")
        case RunStatus.VOIDED:
            raise Refused("conflict", voided(found))


def preview(state: RoomState, user: str, node: PreviewNode, run: str, size: int) -> int:
    """How many bytes of a user's quota it takes to fetch a preview of ``size`` bytes: none where they have had it.

    Raises:
        Refused: ``conflict``, where that is more than is left of it.
    """
    if (user, run) in state.seen:
        return 0
    left = max(0, node.quota_bytes - state.previewed.get((user, node.id), 0))
    if size > left:
        raise Refused(
            "conflict",
            f"The preview {node.name!r} has {size} bytes, and {left} are left of your quota of {node.quota_bytes}. "
            "Previews that you have fetched before can be fetched again.",
        )
    return size


def voided(run: Run) -> str:
    """Why there is no result, for whoever asked for it."""
    reasons = {
        "interrupted": "was interrupted by a restart of the enclave. Run it again.",
        "worker lost": "lost its worker twice. Run it again; ask the operator to look at the workers.",
        "input removed": "had its inputs changed while it ran. See that the data is there and run it again.",
        "room stopped": "ended without a result, because the room was stopped.",
        "cancelled": "was cancelled. Run it again if its result is wanted after all.",
    }
    return f"The computation {run.node!r} {reasons.get(run.reason, 'has no result.')}"
