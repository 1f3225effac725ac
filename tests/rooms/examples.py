"""One small room that the tests of rooms, trust and vectors share.

patients (required) ──┐
lab (optional) ───────┴─> joined ──> report
lab ─────────────────────> lab-only
"""

from __future__ import annotations

from typing import Any

import msgspec

from cloister.rooms.definition import Definition, ImageReference, Issuer, Participant, Reference
from cloister.rooms.environments import LockedPackage
from cloister.rooms.nodes import PythonEnvironmentNode, PythonNode, RawDataNode, TextFile

OWNER, HOSPITAL, LAB, ANALYST, OUTSIDER = (
    f"{name}@example.org" for name in ("owner", "hospital", "lab", "analyst", "outsider")
)

NODES = (
    RawDataNode(id="patients", name="patients", required=True),
    RawDataNode(id="lab", name="lab results", required=False),
    PythonNode(
        id="joined",
        name="joined",
        script="import pandas\n",
        files=(TextFile(name="helpers/join.py", content="KEY = 'id'\n"),),
        dependencies=("patients", "lab"),
        image="python",
    ),
    PythonNode(id="report", name="report", script="print('ü')\n", dependencies=("joined",), image="python"),
    PythonNode(id="lab-only", name="lab only", script="pass\n", dependencies=("lab",), image="python"),
)

ROOM = Definition(
    nonce="11" * 32,
    title="Outcomes of the trial",
    description="Joint analysis,\nagreed in spring. \u20ac \U0001f512",
    owner=OWNER,
    participants=(
        Participant(user=OWNER),
        Participant(user=HOSPITAL, data_owner_of=("patients",)),
        Participant(user=LAB, data_owner_of=("lab",), keys=("22" * 32,)),
        Participant(user=ANALYST, analyst_of=("joined", "report", "lab-only")),
    ),
    nodes=NODES,
    issuers=(Issuer(name="hub", keys=("33" * 32,)),),
    enclaves=(Reference(evidence="insecure-software", measurement="44" * 32),),
    workers=(
        Reference(evidence="insecure-software", measurement="55" * 32),
        Reference(evidence="sev-snp", measurement="56" * 32),
    ),
    images=(ImageReference(name="python", measurement="66" * 32),),
)


WITH_ENVIRONMENT = msgspec.structs.replace(
    ROOM,
    nodes=(
        *NODES,
        PythonEnvironmentNode(
            id="packages",
            name="packages",
            requirements="six  # of ours\n",
            lock=(LockedPackage(name="six", version="1.16.0", sha256=("8a" * 32,)),),
            image="python",
        ),
        PythonNode(
            id="model",
            name="model",
            script="import six\n",
            dependencies=("patients",),
            image="python",
            environment="packages",
        ),
    ),
)
"""The same with packages that a script brings along."""


def room(**changes: Any) -> Definition:
    """`ROOM` with some fields changed; not checked."""
    return msgspec.structs.replace(ROOM, **changes)


def python(node: str, *dependencies: str, **changes: Any) -> PythonNode:
    """A computation."""
    fields: dict[str, Any] = {"name": node, "script": "pass", "image": "python", **changes}
    return PythonNode(id=node, dependencies=dependencies, **fields)
