"""A room into a folder, from which it is read again as the very same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from cloister.errors import BadRequestError
from cloister.rooms import nodes as records
from cloister.rooms.configuration import Configuration
from cloister.rooms.limits import Limits
from cloister.sdk.definitions import PYTHON_IMAGE, R_IMAGE, SYNTHETIC_IMAGE
from cloister.sdk.files.columns import write_synthetic_column, write_table_column
from cloister.sdk.files.reading import ROOM_FILE
from cloister.sdk.files.yaml_text import dump

_SYNTHETIC = records.SyntheticNode | records.MatchNode


def write_folder(configuration: Configuration, folder: Path) -> list[str]:
    """Writes `room.yaml` and all that it names into a new or empty folder; the names of the files.

    ``configuration`` keeps the rules of rooms: names of nodes and files lead nowhere else.

    Raises:
        BadRequestError: there is something already.
        OSError: it can't be written.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise BadRequestError(f"{folder} is there already. Name an empty folder, or one that isn't there yet.")
    writer = _Writer(configuration)
    files = {ROOM_FILE: dump(writer.room()), **writer.files}
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as into:
            into.write(content.encode())
    return list(files)


class _Writer:
    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._by_id = {node.id: node for node in configuration.nodes}
        self._taken: set[str] = set()
        self.files: dict[str, str] = {}
        """Beside `room.yaml`."""

    def room(self) -> dict[str, Any]:
        """What `room.yaml` says."""
        given = self._configuration
        found: dict[str, Any] = {"version": 1, "title": given.title}
        if given.description:
            found["description"] = given.description
        found["owner"] = given.owner
        if given.privacy_budget is not UNSET:
            found["privacy_budget"] = given.privacy_budget
        if given.pins_required:
            found["pinned_keys_only"] = True
        roles = ("data_owner_of", "analyst_of", "keys")
        found["participants"] = {
            entry.user: {role: list(getattr(entry, role)) for role in roles if getattr(entry, role)} or None
            for entry in given.participants
        }
        found["nodes"] = {node.name: self._node(node) for node in given.nodes}
        return found

    def _node(self, node: records.Node) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": str(node.__struct_config__.tag)}
        if node.id != node.name:
            found["id"] = node.id
        stem = self._stem(node.name)
        match node:
            case records.RawDataNode():
                found["required"] = node.required
            case records.TableDataNode():
                found["required"] = node.required
                found["columns"] = {column.name: write_table_column(column) for column in node.columns}
                if node.drop_invalid_rows:
                    found["drop_invalid_rows"] = True
                if node.unique:
                    found["unique"] = [[node.columns[index].name for index in each] for each in node.unique]
            case records.PythonNode() | records.RNode():
                suffix = ".R" if isinstance(node, records.RNode) else ".py"
                found["script"] = self._file(f"{stem}{suffix}", node.script)
                if node.files:
                    found["files"] = {each.name: self._file(f"{stem}/{each.name}", each.content) for each in node.files}
                if isinstance(node, records.PythonNode) and node.environment is not UNSET:
                    found["environment"] = node.environment
            case records.PythonEnvironmentNode():
                found["requirements"] = self._file(f"{stem}.txt", node.requirements)
                if node.lock:
                    lock = msgspec.json.format(msgspec.json.encode(node.lock), indent=2).decode()
                    found["lock"] = self._file(f"{stem}.lock.json", f"{lock}\n")
            case records.SqlNode() | records.SqliteNode():
                found["query"] = self._file(f"{stem}.sql", node.statement)
                if isinstance(node, records.SqlNode) and node.minimum_rows is not UNSET:
                    found["minimum_rows"] = node.minimum_rows
            case records.SyntheticNode():
                source = self._by_id.get(node.dependency)
                table = source.columns if isinstance(source, records.TableDataNode) else None
                found["dependency"] = node.dependency
                found["epsilon"] = node.epsilon
                if node.statistics:
                    found["statistics"] = True
                found["columns"] = [write_synthetic_column(column, table) for column in node.columns]
            case records.MatchNode():
                found["query"] = self._file(f"{stem}.json", node.query)
                found |= {"round": node.round, "epsilon": node.epsilon, "sensitivity": node.sensitivity}
                usual = tuple(f"{self._by_id[each].name}/dataset.csv" for each in node.dependencies)
                if node.paths != usual:
                    found["paths"] = list(node.paths)
            case records.PreviewNode():
                found |= {"dependency": node.dependency, "quota_bytes": node.quota_bytes}
        return found | _common(node)

    def _stem(self, name: str) -> str:
        """What the files of a node are called: of its own, also where upper and lower case are the same."""
        stem = re.sub(r"[ ]+", "-", name)
        wanted, number = stem, 1
        while wanted.casefold() in self._taken:
            number += 1
            wanted = f"{stem}-{number}"
        self._taken.add(wanted.casefold())
        return wanted

    def _file(self, name: str, content: str) -> str:
        self.files[name] = content
        return name


def _common(node: records.Node) -> dict[str, Any]:
    """What several kinds have, where it is not as usual."""
    found: dict[str, Any] = {}
    if getattr(node, "dependencies", ()):
        found["dependencies"] = list(node.dependencies)  # type: ignore[union-attr]
    for flag in ("logs_on_error", "logs_on_success"):
        if getattr(node, flag, False):
            found[flag] = True
    if isinstance(node, records.RawDataNode):
        return found
    usual = R_IMAGE if isinstance(node, records.RNode) else PYTHON_IMAGE
    if node.image != (SYNTHETIC_IMAGE if isinstance(node, _SYNTHETIC) else usual):
        found["image"] = node.image
    limits = {
        field: value for field, value in msgspec.to_builtins(node.limits).items() if value != getattr(Limits(), field)
    }
    if limits:
        found["limits"] = limits
    return found
