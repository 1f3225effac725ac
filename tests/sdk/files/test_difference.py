"""What differs is named, texts line by line."""

from __future__ import annotations

import msgspec

from cloister.rooms.configuration import configuration_of
from cloister.rooms.definition import Participant
from cloister.rooms.nodes import PythonNode, TextFile
from cloister.sdk.files import changes, readable
from tests.rooms.examples import ANALYST, LAB, ROOM

BEFORE = configuration_of(ROOM)


def test_texts_are_compared_line_by_line() -> None:
    joined = BEFORE.nodes[2]
    assert isinstance(joined, PythonNode)
    changed = msgspec.structs.replace(
        joined,
        script="import pandas\nprint()\n",
        files=(TextFile(name="helpers/join.py", content="KEY = 'key'\n"), TextFile(name="more.py", content="")),
        logs_on_error=True,
    )
    after = msgspec.structs.replace(BEFORE, nodes=(*BEFORE.nodes[:2], changed, *BEFORE.nodes[3:]), title="Another")
    assert list(readable(changes(BEFORE, after))) == [
        "room",
        '  title: "Outcomes of the trial" -> "Another"',
        "node joined",
        "  script:",
        "    @@ -1 +1,2 @@",
        "     import pandas",
        "    +print()",
        "  logs_on_error: false -> true",
        "  file helpers/join.py:",
        "    @@ -1 +1 @@",
        "    -KEY = 'id'",
        "    +KEY = 'key'",
        '  file more.py: none -> ""',
    ]
    ends = msgspec.structs.replace(joined, script="import pandas\r\n")
    after = msgspec.structs.replace(BEFORE, nodes=(*BEFORE.nodes[:2], ends, *BEFORE.nodes[3:]))
    assert list(readable(changes(BEFORE, after))) == ["node joined", "  script:", "    (its lines end differently)"]


def test_what_comes_and_goes_is_named() -> None:
    participants = (*BEFORE.participants[:2], Participant(user="new@example.org"), BEFORE.participants[3])
    after = msgspec.structs.replace(BEFORE, participants=participants, nodes=BEFORE.nodes[:-1])
    assert list(readable(changes(BEFORE, after))) == [
        f"participant {LAB}",
        "  is not there any more",
        "participant new@example.org",
        "  is new",
        "node lab-only",
        "  is not there any more",
    ]


def test_another_order_is_another_room() -> None:
    after = msgspec.structs.replace(BEFORE, nodes=BEFORE.nodes[::-1])
    assert [(change.where, change.field) for change in changes(BEFORE, after)] == [("room", "order of nodes")]


def test_roles_and_the_budget_are_compared() -> None:
    without = [
        msgspec.structs.replace(entry, analyst_of=("report",)) if entry.user == ANALYST else entry
        for entry in BEFORE.participants
    ]
    after = msgspec.structs.replace(BEFORE, participants=tuple(without), privacy_budget=2.0)
    assert list(readable(changes(BEFORE, after))) == [
        "room",
        "  privacy_budget: none -> 2.0",
        f"participant {ANALYST}",
        '  analyst_of: ["joined","report","lab-only"] -> ["report"]',
    ]
