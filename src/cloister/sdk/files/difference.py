"""How two rooms differ, by what their authors have written. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cloister.formats.encoding import Record
from cloister.rooms.configuration import Configuration
from cloister.rooms.nodes import ScriptNode


class Change(Record, frozen=True, kw_only=True):
    """One thing that differs."""

    where: str
    """``room``, ``participant <email>`` or ``node <id>``."""
    field: str = ""
    """Empty where the whole of it is there on one side alone."""
    before: Any = None
    after: Any = None


def changes(before: Configuration, after: Configuration) -> list[Change]:
    """All that differs. A lock that one side has not got yet is no difference."""
    return list(_changes(before, after))


def readable(found: Sequence[Change]) -> Iterator[str]:
    """Lines for people: texts as unified diffs."""
    last = None
    for change in found:
        if change.where != last:
            yield change.where
        last = change.where
        if not change.field:
            yield "  is not there any more" if change.after is None else "  is new"
        texts = isinstance(change.before, str) and isinstance(change.after, str)
        if texts and "\n" in change.before + change.after:
            yield f"  {change.field}:"
            lines = difflib.unified_diff(change.before.splitlines(), change.after.splitlines(), n=2, lineterm="")
            told = [f"    {line}" for line in lines][2:]
            yield from told or ["    (its lines end differently)"]
        elif change.field:
            yield f"  {change.field}: {_short(change.before)} -> {_short(change.after)}"


def _changes(before: Configuration, after: Configuration) -> Iterator[Change]:
    for field in ("title", "description", "owner", "pins_required", "privacy_budget"):
        yield from _compare("room", {field: _plain(before, field)}, {field: _plain(after, field)})
    users = {entry.user: entry for entry in before.participants}, {entry.user: entry for entry in after.participants}
    yield from _each("participant", *users)
    nodes = {node.id: node for node in before.nodes}, {node.id: node for node in after.nodes}
    yield from _each("node", *nodes)
    for what, (ours, theirs) in (("participants", users), ("nodes", nodes)):
        kept = [key for key in ours if key in theirs], [key for key in theirs if key in ours]
        if kept[0] != kept[1]:
            yield Change(where="room", field=f"order of {what}", before=kept[0], after=kept[1])


def _each(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in [*before, *(key for key in after if key not in before)]:
        ours, theirs = before.get(key), after.get(key)
        where = f"{what} {key}"
        if ours is None or theirs is None:
            yield Change(where=where, before=_fields(ours), after=_fields(theirs))
        else:
            mine, others = _fields(ours), _fields(theirs)
            assert mine is not None
            assert others is not None
            if not (mine.get("lock") and others.get("lock")):
                mine.pop("lock", None)
                others.pop("lock", None)
            yield from _compare(where, mine, others)


def _compare(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for field in [*before, *(field for field in after if field not in before)]:
        ours, theirs = before.get(field), after.get(field)
        if ours != theirs:
            yield Change(where=where, field=field, before=ours, after=theirs)


def _fields(value: Any) -> dict[str, Any] | None:
    """A record as fields that can be compared one by one: of a script, also each of its files."""
    if value is None:
        return None
    fields: dict[str, Any] = msgspec.to_builtins(value)
    if isinstance(value, ScriptNode):
        fields |= {f"file {each['name']}": each["content"] for each in fields.pop("files")}
    return fields


def _plain(value: Any, field: str) -> Any:
    return msgspec.to_builtins(value).get(field)


def _short(value: Any) -> str:
    return "none" if value is None else msgspec.json.encode(value).decode()
