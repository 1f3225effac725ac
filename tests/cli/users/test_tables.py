"""Tables on the command line: what is shown of them, of their validation, and of what computations cost."""

from __future__ import annotations

import io

import msgspec

from cloister.cli.users.overview import lines as room_lines
from cloister.cli.users.overview import overview, readers
from cloister.cli.users.validate import lines
from cloister.cli.users.written import Counted, Seen
from cloister.protocol import Attached, RoomStatus, Spent
from cloister.rooms.nodes import SyntheticNode, TableDataNode
from cloister.rooms.tables import Column, Range, SyntheticColumn
from tests.rooms.examples import ANALYST, HOSPITAL, LAB, OWNER, room

TABLE = TableDataNode(
    id="people-1",
    name="people",
    required=True,
    columns=(
        Column(name="id", type="INTEGER", nullable=False, range=Range(greater_than=0, less_than_equals=99)),
        Column(name="email", type="EMAIL", nullable=True, hashed=True),
    ),
    image="python",
)
SYNTHETIC = SyntheticNode(
    id="extract",
    name="extract",
    columns=(SyntheticColumn(index=0, type="INTEGER", mask_type="genericNumber", mask=False),),
    dependency="people-1",
    epsilon=0.5,
    image="python",
)


def _errors(total: int, *recorded: tuple[str, int, int]) -> dict[str, object]:
    found = [
        {"code": code, "message": "What is wrong.", "location": {"row": row, "column": column}}
        for code, row, column in recorded
    ]
    return {"recordedErrors": found, "numErrorsTotal": total}


def test_a_report_for_people() -> None:
    report = {
        "columns": [
            {"column": 0, **_errors(12, *(("EMPTY_CELL", row, 0) for row in range(12)))},
            {"column": 1, **_errors(0)},
        ],
        "schema": _errors(1, ("TOO_MANY_COLUMNS_PROVIDED", 3, 2)),
        "table": _errors(0),
        "outcome": "FAILED",
        "numInvalidRowsTotal": 13,
        "numInvalidRowsByErrorCode": {"TOO_MANY_COLUMNS_PROVIDED": 1, "EMPTY_CELL": 12},
        "numRowsTotal": 100,
        "originalFileSizeBytes": 2048,
        "detectedFileType": "text/csv",
    }
    shown = list(lines("people", ["id", "na\x1bme"], report))
    assert shown[:5] == [
        "people is INVALID: no computation reads it.",
        "  file   text/csv, 2.0 KiB",
        "  rows   100, of which 13 are invalid",
        "  12 with EMPTY_CELL",
        "  1 with TOO_MANY_COLUMNS_PROVIDED",
    ]
    told = "\n".join(shown)
    assert "In rows as a whole: 1 error\n  ROW  ERROR                      WHAT\n  4    TOO_MANY" in told
    assert "In column id: 12 errors" in told
    assert told.endswith("and 2 more; --json lists 12 of them")
    assert "\x1b" not in told


def test_reports_of_tables_that_are_valid_or_no_tables_at_all() -> None:
    valid = {
        "columns": [],
        "schema": _errors(0),
        "table": _errors(0),
        "uniqueness": _errors(0),
        "outcome": "PASSED",
        "numInvalidRowsTotal": 1,
        "numInvalidRowsByErrorCode": {"EMPTY_CELL": 1},
        "numRowsTotal": 2,
        "originalFileSizeBytes": 1,
        "detectedFileType": "text/csv",
        "dropInvalidRows": {"numInvalidRowsDropped": 1},
    }
    shown = list(lines("people", [], valid))
    assert shown[0] == "people is valid."
    assert "  rows   2, of which 1 is invalid" in shown
    assert "         1 were left out" in shown
    broken = {**valid, "outcome": "FAILED"}
    broken["table"] = {"recordedErrors": [{"code": "X", "message": "It is no text."}], "numErrorsTotal": 1}
    assert list(lines("people", [], broken))[-2:] == ["In the file: 1 error", "  X: It is no text."]


def test_a_room_with_tables() -> None:
    definition = room(nodes=(*room().nodes, TABLE, SYNTHETIC), privacy_budget=2.0)
    status = RoomStatus(
        stopped=False,
        attached=(Attached(node="people-1", manifest="ab" * 32),),
        keys=(),
        privacy=(Spent(node="people-1", epsilon=1.5),),
    )
    shown = overview(definition, status, OWNER)
    nodes = {each["id"]: each for each in shown["nodes"]}
    assert nodes["people-1"]["columns"] == [msgspec.to_builtins(column) for column in TABLE.columns]
    assert (nodes["people-1"]["required"], nodes["extract"]["epsilon"]) == (True, 0.5)
    assert shown["privacy"] == {"budget": 2.0, "spent": {"people-1": 1.5}}
    told = "\n".join(room_lines(shown, "00" * 32))
    assert "  id      INTEGER  > 0, <= 99, not empty\n  email   EMAIL    hashed, may be empty" in told
    assert "Privacy (epsilon), of 2 for each data node\n  a run of extract costs 0.5\n  people has spent 1.5" in told
    assert [each["id"] for each in readers(definition, "people-1")] == ["extract"]
    without = "\n".join(room_lines(overview(room(), status, OWNER), "00" * 32))
    assert "Privacy" not in without
    assert "The columns" not in without


def test_what_can_be_done_next_with_tables() -> None:
    entries = tuple(
        msgspec.structs.replace(
            entry,
            data_owner_of=(*entry.data_owner_of, *(["people-1"] if entry.user == LAB else [])),
            analyst_of=("extract",) if entry.user == ANALYST else (),
        )
        for entry in room().participants
    )
    definition = room(nodes=(*room().nodes, TABLE, SYNTHETIC), participants=entries)
    status = RoomStatus(stopped=False, attached=(), keys=())
    (waits,) = overview(definition, status, ANALYST)["next"]
    assert (waits["action"], waits["for"]) == ("wait", [f"people ({LAB})"])
    assert {step["node"] for step in overview(definition, status, LAB)["next"]} == {"lab", "people-1"}
    assert {step["node"] for step in overview(definition, status, HOSPITAL)["next"]} == {"patients"}


def test_a_terminal_takes_no_orders_from_tables() -> None:
    seen, counted = io.BytesIO(), io.BytesIO()
    content = "a,b\n\x1b[2J,ü\u202e\n".encode()
    harmless, plain = Seen(seen), Counted(counted)
    for place in range(len(content)):  # letters come in pieces
        harmless.write(content[place : place + 1])
        plain.write(content[place : place + 1])
    assert seen.getvalue().decode() == "a,b\n?[2J,ü?\n"
    assert counted.getvalue() == content
    assert harmless.count == plain.count == len(content)
