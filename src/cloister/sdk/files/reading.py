"""A room from a folder."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import normal_email
from cloister.rooms import nodes as records
from cloister.rooms.configuration import Configuration
from cloister.rooms.definition import Participant
from cloister.rooms.environments import Lock, plain_requirements
from cloister.rooms.limits import Limits
from cloister.rooms.tables import Range
from cloister.sdk.builder import AnalyticsDcrDefinition
from cloister.sdk.files import schema
from cloister.sdk.files.columns import synthetic_column, table_column
from cloister.sdk.files.paths import inside, read_text
from cloister.sdk.files.yaml_text import Document, Place, load

ROOM_FILE = "room.yaml"
T = TypeVar("T")
_UNKNOWN = re.compile(r"unknown field `(.*)`")
_PATH = re.compile(r" - at `\$(.*)`\Z")
_SEGMENT = re.compile(r"\.(\w+)|\[(\d+)\]")


@dataclass(frozen=True)
class RoomFolder:
    """What a folder holds."""

    definition: AnalyticsDcrDefinition
    test_data: Mapping[str, Path]
    """By the ids of data nodes. It is no part of the room."""


def read_folder(folder: Path, owner: Callable[[], str]) -> RoomFolder:
    """Reads `room.yaml` and all that it names.

    Args:
        owner: is asked for whoever publishes the room, where the file doesn't say.

    Raises:
        DefinitionInvalid: something in there can't be used; the message says where.
    """
    if not folder.is_dir():
        raise DefinitionInvalid(f"{folder} is no folder. Name one that has a {ROOM_FILE}.")
    return _Reader(folder, load(read_text(folder, ROOM_FILE), ROOM_FILE)).room(owner)


class _Reader:
    def __init__(self, folder: Path, document: Document) -> None:
        self._folder = folder
        self._document = document
        self._nodes: dict[str, tuple[str, schema.NodeWritten]] = {}
        """By id: the name, and what is written."""

    def room(self, owner: Callable[[], str]) -> RoomFolder:
        """All of it."""
        if not isinstance(self._document.value, dict):
            raise self._document.error((), "this has to begin with 'title: ...'.")
        written = self._convert((), self._document.value, schema.RoomWritten)
        participants = [self._participant(email, entry) for email, entry in written.participants.items()]
        for name, value in written.nodes.items():
            node = self._written(name, value)
            node_id = name if node.id is None else node.id
            if node_id in self._nodes:
                raise self._document.error(("nodes", name), f"another node has the id {node_id!r}.")
            self._nodes[node_id] = (name, node)
        made = [self._node(name, node_id, node) for node_id, (name, node) in self._nodes.items()]
        email = normal_email(owner() if written.owner is None else written.owner)
        configuration = Configuration(
            title=written.title,
            description=written.description,
            owner=email,
            participants=tuple(participants),
            nodes=tuple(made),
            pins_required=written.pinned_keys_only,
            privacy_budget=UNSET if written.privacy_budget is None else written.privacy_budget,
        )
        try:
            definition = AnalyticsDcrDefinition.of(configuration, owner=email)
        except DefinitionInvalid as error:
            raise DefinitionInvalid(f"{ROOM_FILE}: {error}") from None
        data = {
            node_id: self._file(name, "test", node.test, inside)
            for node_id, (name, node) in self._nodes.items()
            if isinstance(node, schema.DataWritten) and node.test is not None
        }
        return RoomFolder(definition, data)

    def _participant(self, email: str, entry: object) -> Participant:
        given = self._convert(("participants", email), {} if entry is None else entry, schema.ParticipantWritten)
        fields = {"data_owner_of": given.data_owner_of, "analyst_of": given.analyst_of, "keys": given.keys}
        try:
            return msgspec.convert({"user": normal_email(email), **fields}, Participant)
        except msgspec.ValidationError:
            raise self._document.error(("participants", email), "that is no email address.") from None

    def _written(self, name: str, value: object) -> schema.NodeWritten:
        place = ("nodes", name)
        if not isinstance(value, dict):
            raise self._document.error(place, "a node needs a 'kind', at least.")
        rest = dict(value)
        kind = rest.pop("kind", None)
        if not isinstance(kind, str) or kind not in schema.KINDS:
            what = "'kind' is missing." if kind is None else f"there is no kind {str(kind)[:64]!a}."
            raise self._document.error((*place, "kind"), f"{what}{_hint(str(kind), schema.KINDS)}")
        return self._convert(place, rest, schema.KINDS[kind])

    def _node(self, name: str, node_id: str, node: schema.NodeWritten) -> records.Node:
        named: dict[str, Any] = {"id": node_id, "name": name}
        match node:
            case schema.RawDataWritten():
                return records.RawDataNode(**named, required=node.required)
            case schema.TableDataWritten():
                return self._table(named, node)
            case schema.PythonWritten():
                environment = UNSET if node.environment is None else node.environment
                return records.PythonNode(**self._script(named, node), image=node.image, environment=environment)
            case schema.RWritten():
                return records.RNode(**self._script(named, node), image=node.image)
            case schema.EnvironmentWritten():
                requirements = self._text(name, "requirements", node.requirements)
                try:
                    plain_requirements(requirements)
                except DefinitionInvalid as error:
                    raise self._document.error(("nodes", name, "requirements"), str(error)) from None
                lock = () if node.lock is None else self._lock(name, node.lock)
                return records.PythonEnvironmentNode(**named, requirements=requirements, lock=lock, **_run(node))
            case schema.SqlWritten():
                least = UNSET if node.minimum_rows is None else node.minimum_rows
                query = {"statement": self._text(name, "query", node.query), "dependencies": node.dependencies}
                return records.SqlNode(**named, **query, minimum_rows=least, **_run(node))  # type: ignore[arg-type]
            case schema.SqliteWritten():
                query = {"statement": self._text(name, "query", node.query), "dependencies": node.dependencies}
                return records.SqliteNode(**named, **query, **_run(node), **_logs(node))  # type: ignore[arg-type]
            case schema.SyntheticWritten():
                return self._synthetic(named, node)
            case schema.MatchWritten():
                return records.MatchNode(
                    **named,
                    query=self._text(name, "query", node.query),
                    round=node.round,
                    epsilon=node.epsilon,
                    sensitivity=node.sensitivity,
                    dependencies=node.dependencies,
                    paths=self.paths(node.dependencies) if node.paths is None else node.paths,
                    **_run(node),
                    **_logs(node),
                )
            case schema.PreviewWritten():
                return records.PreviewNode(
                    **named, dependency=node.dependency, quota_bytes=node.quota_bytes, **_run(node)
                )
            case _:
                raise AssertionError(node)

    def _table(self, named: dict[str, Any], node: schema.TableDataWritten) -> records.TableDataNode:
        place = ("nodes", named["name"], "columns")
        columns = []
        for name, value in node.columns.items():
            if isinstance(value, str):
                value = _words(value)
            given = self._convert((*place, name), value, schema.ColumnWritten)
            columns.append(table_column(name, given))
        places = {name: index for index, name in enumerate(node.columns)}
        unique = []
        for index, combination in enumerate(node.unique):
            if unknown := [each for each in combination if each not in places]:
                where = ("nodes", named["name"], "unique", index)
                raise self._document.error(where, f"no column is called {unknown[0]!a}.{_hint(unknown[0], places)}")
            unique.append(tuple(places[each] for each in combination))
        return records.TableDataNode(
            **named,
            required=node.required,
            columns=tuple(columns),
            drop_invalid_rows=node.drop_invalid_rows,
            unique=tuple(unique),
            **_run(node),
        )

    def _synthetic(self, named: dict[str, Any], node: schema.SyntheticWritten) -> records.SyntheticNode:
        _, source = self._nodes.get(node.dependency, ("", None))
        table = None
        if isinstance(source, schema.TableDataWritten):
            table = self._table({"id": "", "name": self._nodes[node.dependency][0]}, source).columns
        columns = []
        for index, value in enumerate(node.columns):
            place = ("nodes", named["name"], "columns", index)
            given = {"column": value} if isinstance(value, str) else value
            written = self._convert(place, given, schema.SyntheticColumnWritten)
            try:
                columns.append(synthetic_column(written, table))
            except DefinitionInvalid as error:
                raise self._document.error(place, str(error)) from None
        return records.SyntheticNode(
            **named,
            columns=tuple(columns),
            dependency=node.dependency,
            epsilon=node.epsilon,
            statistics=node.statistics,
            **_run(node),
            **_logs(node),
        )

    def _script(self, named: dict[str, Any], node: schema.ScriptWritten) -> dict[str, Any]:
        name = named["name"]
        files = node.files if isinstance(node.files, dict) else {each: each for each in node.files}
        return {
            **named,
            "script": self._text(name, "script", node.script),
            "files": tuple(
                records.TextFile(name=each, content=self._text(name, "files", file)) for each, file in files.items()
            ),
            "dependencies": node.dependencies,
            "limits": node.limits,
            **_logs(node),
        }

    def paths(self, dependencies: tuple[str, ...]) -> tuple[str, ...]:
        """Where a match finds its tables."""
        return tuple(f"{self._nodes[each][0] if each in self._nodes else each}/dataset.csv" for each in dependencies)

    def _lock(self, name: str, file: str) -> Lock:
        try:
            return msgspec.json.decode(self._text(name, "lock", file), type=Lock)
        except msgspec.MsgspecError as error:
            raise self._document.error(("nodes", name, "lock"), f"{file[:80]!a} is no lock: {error}.") from None

    def _text(self, node: str, field: str, file: str) -> str:
        return self._file(node, field, file, read_text)

    def _file(self, node: str, field: str, file: str, read: Callable[[Path, str], T]) -> T:
        try:
            return read(self._folder, file)
        except DefinitionInvalid as error:
            raise self._document.error(("nodes", node, field), str(error)) from None

    def _convert(self, place: Place, value: object, kind: type[T]) -> T:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            what = _PATH.sub("", str(error))
            if found := _PATH.search(str(error)):
                place = (*place, *(int(index) if index else key for key, index in _SEGMENT.findall(found[1])))
            if unknown := _UNKNOWN.search(what):
                raise self._document.error(
                    (*place, unknown[1]), f"nothing is called that here.{_hint(unknown[1], _names(kind))}"
                ) from None
            raise self._document.error(place, f"{what}.") from None


def _names(kind: type[Any]) -> set[str]:
    """All that may be called something, in there and below."""
    found = {field.name for field in msgspec.structs.fields(kind)} | {"kind"}
    for inner in (Limits, Range, schema.ColumnWritten):
        found.update(field.name for field in msgspec.structs.fields(inner))
    return found


def _hint(name: str, known: Mapping[str, Any] | set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" There are: {', '.join(known)}." if isinstance(known, Mapping) and 0 < len(known) <= 12 else ""


def _words(text: str) -> dict[str, Any]:
    """``INTEGER nullable hashed`` as the fields of a column."""
    kind, *more = text.split() or [""]
    flags = {each.lower(): True for each in more}
    return {"type": kind.upper(), **flags}


def _run(node: Any) -> dict[str, Any]:
    return {"image": node.image, "limits": node.limits}


def _logs(node: Any) -> dict[str, Any]:
    return {"logs_on_error": node.logs_on_error, "logs_on_success": node.logs_on_success}
