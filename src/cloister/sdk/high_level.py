"""A room's definition in the nested form that scripts written for the documented SDK look into."""

from __future__ import annotations

from typing import Any

from cloister.rooms.definition import Definition, Participant
from cloister.rooms.nodes import Node, PythonEnvironmentNode, RawDataNode, RNode, ScriptNode, environment_of

VERSION = "v1"
"""The one key of the outermost object."""


def high_level(definition: Definition) -> dict[str, Any]:
    """The definition as plain JSON values; a fresh copy each time."""
    configuration = {
        "title": definition.title,
        "description": definition.description,
        "participants": [
            {"user": entry.user, "permissions": permissions(entry, manager=entry.user == definition.owner)}
            for entry in definition.participants
        ],
        "nodes": [_node(node) for node in definition.nodes],
    }
    return {VERSION: {"interactive": {"initialConfiguration": configuration, "commits": []}}}


def permissions(participant: Participant, *, manager: bool) -> list[dict[str, Any]]:
    """A participant's roles."""
    return [
        *([{"manager": {}}] if manager else []),
        *({"dataOwner": {"nodeId": node}} for node in participant.data_owner_of),
        *({"analyst": {"nodeId": node}} for node in participant.analyst_of),
    ]


def _node(node: Node) -> dict[str, Any]:
    match node:
        case RawDataNode():
            kind: dict[str, Any] = {"leaf": {"isRequired": node.required, "kind": {"raw": {}}}}
        case ScriptNode():
            scripting = {
                "scriptingLanguage": "r" if isinstance(node, RNode) else "python",
                "mainScript": {"name": "script.R" if isinstance(node, RNode) else "script.py", "content": node.script},
                "additionalScripts": [{"name": file.name, "content": file.content} for file in node.files],
                "dependencies": list(node.dependencies),
                "enableLogsOnError": node.logs_on_error,
                "enableLogsOnSuccess": node.logs_on_success,
                "output": "/output",
            }
            if (environment := environment_of(node)) is not None:
                scripting["customEnvironment"] = environment
            kind = {"computation": {"kind": {"scripting": scripting}}}
        case PythonEnvironmentNode():
            packages = [f"{package.name}=={package.version}" for package in node.lock]
            environment_node = {"requirementsTxt": node.requirements, "packages": packages}
            kind = {"computation": {"kind": {"pythonEnvironment": environment_node}}}
    return {"id": node.id, "name": node.name, "kind": kind}
