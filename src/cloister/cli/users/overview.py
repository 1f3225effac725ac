"""A room as one of its participants sees it: what there is, who may do what, and what they can do next. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from cloister.cli.shown import plain, short, table, words
from cloister.protocol import RoomStatus
from cloister.rooms.definition import Definition
from cloister.rooms.nodes import DataNode, Node, TableDataNode, dependencies, epsilon_of
from cloister.rooms.planning import derived, leaves

_ID = 8
"""Hexadecimal digits of the room's id in commands."""


def overview(definition: Definition, status: RoomStatus, me: str) -> dict[str, Any]:
    """The room as JSON values."""
    attached = {each.node: each.manifest for each in status.attached}
    return {
        "id": definition.id(),
        "title": definition.title,
        "description": definition.description,
        "owner": definition.owner,
        "stopped": status.stopped,
        "participants": [
            {
                "email": entry.user,
                "dataOwnerOf": list(entry.data_owner_of),
                "analystOf": list(entry.analyst_of),
                "keys": [bound.key for bound in status.keys if bound.user == entry.user],
            }
            for entry in definition.participants
        ],
        "nodes": [_node(definition, node, attached) for node in definition.nodes],
        "privacy": {
            "budget": None if definition.privacy_budget is UNSET else definition.privacy_budget,
            "spent": {} if status.privacy is UNSET else {each.node: each.epsilon for each in status.privacy},
        },
        "next": [] if status.stopped else list(_next(definition, attached, me)),
    }


def readers(definition: Definition, data_node: str) -> list[dict[str, Any]]:
    """The computations that read a data node, directly or by way of others, and who may have their results."""
    found = derived(definition, data_node)
    return [_node(definition, node, {}) for node in definition.nodes if node.id in found - {data_node}]


def lines(room: Mapping[str, Any], device: str) -> Iterator[str]:
    """An `overview` for a person to read. ``device``: this machine's key."""
    yield plain(room["title"])
    yield f"  id     {room['id']}"
    yield f"  owner  {room['owner']}"
    yield f"  state  {'stopped' if room['stopped'] else 'open'}"
    for line in room["description"].splitlines():
        yield f"  {plain(line)}"
    yield ""
    rows = [
        (node["name"], node["kind"], ", ".join(node["dependencies"]) or "-", _content(node), ", ".join(_people(node)))
        for node in room["nodes"]
    ]
    yield table(("NODE", "KIND", "READS", "DATA", "WHOSE"), rows)
    yield ""
    for node in room["nodes"]:
        if node["columns"]:
            yield f"The columns of {node['name']}"
            columns = [(each["name"], each["type"], _rules(each)) for each in node["columns"]]
            yield table(("COLUMN", "TYPE", "RULES"), columns, indent="  ")
            yield ""
    yield from _privacy(room)
    yield "The device keys that speak for the participants"
    for entry in room["participants"]:
        for key in entry["keys"] or ["none yet"]:
            yield f"  {entry['email']}  {key}{'  (this machine)' if key == device else ''}"
    if room["next"]:
        yield ""
        yield "What you can do next"
        for step in room["next"]:
            yield f"  {step['command']}" if step["command"] else f"  wait for {', '.join(step['for'])}"


def _node(definition: Definition, node: Node, attached: Mapping[str, str]) -> dict[str, Any]:
    entries = definition.participants
    return {
        "id": node.id,
        "name": node.name,
        "kind": str(node.__struct_config__.tag),
        "required": node.required if isinstance(node, DataNode) else None,
        "columns": list(msgspec.to_builtins(node.columns)) if isinstance(node, TableDataNode) else None,
        "dependencies": list(dependencies(node)),
        "epsilon": None if (epsilon := epsilon_of(node)) is UNSET else epsilon,
        "dataset": attached.get(node.id),
        "owners": [entry.user for entry in entries if node.id in entry.data_owner_of],
        "analysts": [entry.user for entry in entries if node.id in entry.analyst_of],
    }


def _people(node: Mapping[str, Any]) -> list[str]:
    return [*node["owners"], *node["analysts"]]


def _rules(column: Mapping[str, Any]) -> str:
    """What a column of a table is held to, in words."""
    signs = {"greater_than": ">", "greater_than_equals": ">=", "less_than": "<", "less_than_equals": "<="}
    bounds = [f"{signs[name]} {bound:g}" for name, bound in column.get("range", {}).items()]
    hashed = ["hashed"] if column.get("hashed") else []
    return ", ".join([*hashed, *bounds, "may be empty" if column["nullable"] else "not empty"])


def _privacy(room: Mapping[str, Any]) -> Iterator[str]:
    """What computations have cost the data, where one does."""
    budget, spent = room["privacy"]["budget"], room["privacy"]["spent"]
    costs = [(node["name"], f"{node['epsilon']:g}") for node in room["nodes"] if node["epsilon"] is not None]
    if not costs and budget is None:
        return
    bound = "that is counted, without a bound" if budget is None else f"of {budget:g} for each data node"
    yield f"Privacy (epsilon), {bound}"
    for name, cost in costs:
        yield f"  a run of {name} costs {cost}"
    names = {node["id"]: node["name"] for node in room["nodes"]}
    for node, epsilon in spent.items():
        yield f"  {names[node]} has spent {epsilon:g}"
    yield ""


def _content(node: Mapping[str, Any]) -> str:
    if node["required"] is None:
        return "-"
    if node["dataset"] is not None:
        return short(node["dataset"])
    return "none yet" if node["required"] else "none (optional)"


def _next(definition: Definition, attached: Mapping[str, str], me: str) -> Iterator[dict[str, Any]]:
    entry = definition.participant(me)
    if entry is None:
        return
    room, by_id = definition.id()[:_ID], {node.id: node for node in definition.nodes}
    for node_id in entry.data_owner_of:
        if node_id not in attached:
            command = words("cloister", "data", "attach", room, by_id[node_id].name, "FILE")
            yield {"action": "attach", "node": node_id, "command": command, "for": []}
    for node_id in entry.analyst_of:
        missing = [each.node for each in leaves(definition, node_id, attached) if each.manifest is None]
        awaited = [each for each in missing if _required(by_id[each])]
        if not awaited:
            command = words("cloister", "run", room, by_id[node_id].name)
            yield {"action": "run", "node": node_id, "command": command, "for": []}
        elif not set(awaited) <= set(entry.data_owner_of):
            names = [f"{by_id[each].name} ({', '.join(_owners(definition, each))})" for each in awaited]
            yield {"action": "wait", "node": node_id, "command": None, "for": names}


def _required(node: Node) -> bool:
    return isinstance(node, DataNode) and node.required


def _owners(definition: Definition, node: str) -> list[str]:
    return [entry.user for entry in definition.participants if node in entry.data_owner_of] or ["nobody"]
