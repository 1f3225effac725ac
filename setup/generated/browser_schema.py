"""Says what messages and records look like, for the browser: as JSON Schema, made from the types that are used here.

`npm run types` in `ui/` makes the TypeScript types from it. The browser checks what comes to it against the schema, so
nothing of it is written by hand twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import UNSET

from cloister.formats.dataset import Manifest
from cloister.formats.receipt import Envelope, Statement
from cloister.formats.sealed import EnclaveKeys, SignedKeys
from cloister.protocol import EnclaveEvidence, Frame, Report, Request, Task
from cloister.rooms.configuration import Configuration
from cloister.rooms.definition import Definition
from cloister.rooms.events import Event
from cloister.rooms.nodes import Node
from cloister.rooms.vault import VaultDefinition, VaultEvent
from cloister.sdk.datasets import DatasetRecord
from cloister.sdk.report import RoomReport
from cloister.trust import software
from cloister.trust.evidence import Evidence
from cloister.wire.hub import KeySet, RoomEntry, StoredBlob

FILE = Path(__file__).resolve().parents[2] / "ui" / "src" / "core" / "records.schema.json"

ROOTS: dict[str, Any] = {
    "Request": Request,
    "Frame": Frame,
    "EnclaveEvidence": EnclaveEvidence,
    "EnclaveKeys": EnclaveKeys,
    "SignedKeys": SignedKeys,
    "Configuration": Configuration,
    "Definition": Definition,
    "Node": Node,
    "Event": Event,
    "Manifest": Manifest,
    "Envelope": Envelope,
    "Statement": Statement,
    "Evidence": Evidence,
    "SoftwareDocument": software.Document,
    "VaultDefinition": VaultDefinition,
    "VaultEvent": VaultEvent,
    "DatasetRecord": DatasetRecord,
    "RoomReport": RoomReport,
    "KeySet": KeySet,
    "RoomEntry": RoomEntry,
    "StoredBlob": StoredBlob,
    "Task": Task,
    "Report": Report,
}
"""What the browser reads or writes. Those that only workers and the enclave read are there for the vectors."""

RENAMED = {"Document": "SoftwareDocument"}
"""Names that say too little outside of their module."""
_LARGEST = 2**53 - 1


def schema() -> dict[str, Any]:
    """One schema, with a definition for each record. A value is checked against one of them by its name."""
    roots, records = msgspec.json.schema_components(ROOTS.values(), ref_template="#/$defs/{name}")
    optional = {kind.__name__: set(_optional(kind)) for root in ROOTS.values() for kind in _structs(root, set())}
    for name, record in records.items():
        _adapt(record)
        # Whatever has a value is written: what may be missing is what is unset.
        record["required"] = [each for each in record["properties"] if each not in optional[name]]
    unions = {name: root for name, root in zip(ROOTS, roots, strict=True) if "$ref" not in root}
    for union in unions.values():
        _adapt(union)
    named = {RENAMED.get(name, name): record for name, record in {**records, **unions}.items()}
    for old, new in RENAMED.items():
        named[new]["title"] = new
        assert f'#/$defs/{old}"' not in json.dumps(named), "a record that others hold can't be renamed here"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": dict(sorted(named.items()))}


def text() -> str:
    """The file."""
    return json.dumps(schema(), indent=1, ensure_ascii=True) + "\n"


def _structs(kind: Any, seen: set[Any]) -> Iterator[type[msgspec.Struct]]:
    """All records that a type is made of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in seen:
            seen.add(kind)
            yield kind
            for field in msgspec.structs.fields(kind):
                yield from _structs(field.type, seen)
    else:
        for each in get_args(kind):
            yield from _structs(each, seen)


def _optional(kind: type[msgspec.Struct]) -> Iterator[str]:
    return (field.encode_name for field in msgspec.structs.fields(kind) if field.default is UNSET)


def _adapt(value: Any) -> None:
    """Puts into words that browsers understand what Python's types mean."""
    if isinstance(value, list):
        for each in value:
            _adapt(each)
    if not isinstance(value, dict):
        return
    for each in value.values():
        _adapt(each)
    # A default is for who writes records; the browser writes all that it means.
    if "properties" not in value:
        value.pop("default", None)
    if isinstance(value.get("pattern"), str):
        value["pattern"] = value["pattern"].replace("\\A", "^").replace("\\Z", "$")
    if value.get("type") == "integer":
        # What canonical JSON has a form for, and JavaScript a number.
        value.setdefault("minimum", -_LARGEST)
        value.setdefault("maximum", _LARGEST)
