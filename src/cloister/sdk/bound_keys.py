"""Who speaks for whom in a room: shown before data goes there, or checked by a function of the caller's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from cloister.protocol import BoundKey
from cloister.rooms.definition import Definition

KeyCheck = Callable[[str, dict[str, list[str]]], None]
"""Is called with a room's id and the device keys (hex) that speak for each participant, before data is attached. What
it raises keeps the data here."""


def bound_keys(keys: Sequence[BoundKey]) -> dict[str, list[str]]:
    """Participant to their device keys."""
    found: dict[str, list[str]] = {}
    for bound in keys:
        found.setdefault(bound.user, []).append(bound.key)
    return found


def check_keys(definition: Definition, keys: Mapping[str, list[str]], check: KeyCheck | None) -> None:
    """Lets the caller's function look at the keys; without one shows them, where standard error is a terminal.

    Raises:
        Exception: whatever that function raises.
    """
    if check is not None:
        check(definition.id(), {entry.user: list(keys.get(entry.user, ())) for entry in definition.participants})
    elif sys.stderr is not None and sys.stderr.isatty():
        print(as_text(definition, keys), file=sys.stderr)


def as_text(definition: Definition, keys: Mapping[str, list[str]]) -> str:
    """The keys, for people."""
    nobody = "none" if definition.pins_required else "none yet: the hub vouches for the first"
    lines = [f"  {entry.user}  {key}" for entry in definition.participants for key in keys.get(entry.user) or [nobody]]
    return "\n".join(
        [
            f"These device keys speak for the participants of {definition.title!r}, where data is about to go:",
            *lines,
            "Each user's client.device_key is the same, or somebody else speaks for them.",
        ]
    )
