"""Validation of tables: formats, errors and where they are, uniqueness, and an oracle that it agrees with."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.programs.tables import READERS, column, expect, validate

HEX = "ABCDEF0123456789" * 4
LABEL = "a" * 63


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("format_type", "text", "value"),
    [
        ("INTEGER", "1", "1"),
        ("INTEGER", "+1", "1"),
        ("INTEGER", "01", "1"),
        ("INTEGER", "-0", "0"),
        ("INTEGER", "-0012", "-12"),
        ("INTEGER", "0" * 40 + "7", "7"),
        ("INTEGER", "9223372036854775807", "9223372036854775807"),
        ("INTEGER", "-9223372036854775808", "-9223372036854775808"),
        ("INTEGER", '"12"', "12"),
        ("FLOAT", "1", "1.0"),
        ("FLOAT", "1e3", "1000.0"),
        ("FLOAT", ".5", "0.5"),
        ("FLOAT", "5.", "5.0"),
        ("FLOAT", "-0.0", "0.0"),
        ("FLOAT", "+1.5E-3", "0.0015"),
        ("FLOAT", "0.1", "0.1"),
        ("FLOAT", "0.1000000000000000055511151231257827", "0.1"),
        ("FLOAT", "1e-999", "0.0"),
        ("FLOAT", "1e22", "1e+22"),
        ("STRING", " a ", " a "),
        ("STRING", '"a,b"', "a,b"),
        ("STRING", '"say ""hi"""', 'say "hi"'),
        ("STRING", 'a 5" pipe', 'a 5" pipe'),
        ("STRING", '"one\ntwo"', "one\ntwo"),
        ("STRING", '"one\r\ntwo"', "one\r\ntwo"),
        ("STRING", "NULL", "NULL"),
        ("STRING", "été 日本 🎈", "été 日本 🎈"),
        ("EMAIL", "Ann.O'Neil+x@Mail.Example.COM", "ann.o'neil+x@mail.example.com"),
        ("EMAIL", f"a@{LABEL}.ch", f"a@{LABEL}.ch"),
        ("DATE_ISO8601", "2024-02-29", "2024-02-29"),
        ("DATE_ISO8601", "0001-01-01", "0001-01-01"),
        ("DATE_ISO8601", "9999-12-31", "9999-12-31"),
        ("PHONE_NUMBER_E164", "+41791234567", "+41791234567"),
        ("PHONE_NUMBER_E164", "41791234567", "+41791234567"),
        ("PHONE_NUMBER_E164", "12", "+12"),
        ("PHONE_NUMBER_E164", "123456789012345", "+123456789012345"),
        ("HASH_SHA256_HEX", HEX, HEX.lower()),
    ],
)
def test_what_is_valid_comes_out_in_its_one_form(format_type: str, text: str, value: str) -> None:
    validated = validate(f"{text},x\n".encode(), [column(format_type), column()])
    assert validated.passed, validated.errors()
    assert validated.rows == [[value, "x"]]
    hashed = validate(f"{text},x\n".encode(), [column(format_type, hashed=True), column()])
    assert hashed.rows == [[sha256(value), "x"]]
    assert hashed.types is not None
    assert [each.kind for each in hashed.types] == ["STRING", "STRING"]


@pytest.mark.parametrize(
    ("format_type", "text"),
    [
        *(
            ("INTEGER", each)
            for each in ("a", " 1", "1 ", "1.0", "1e3", "1_000", "0x1F", "--1", "+", "9223372036854775808")
        ),
        *(("INTEGER", each) for each in ("-9223372036854775809", "9" * 400, "٣", "NaN", "true", "1\t")),
        *(
            ("FLOAT", each)
            for each in ("a", " 1", "1 ", ".", "1e", "e3", "1_0.5", "inf", "-Infinity", "1e999", "0x1p3", "-nan")
        ),
        *(("FLOAT", each) for each in ("infinity", "-inf", "Inf", '"1,5"', "1f", "९", "1e+", "+-1")),
        *(
            ("EMAIL", each)
            for each in ("a", "a@b", "@b.ch", "a@.ch", "a@b..ch", "a b@c.ch", "a@b.ch ", "a@@b.ch", "ä@b.ch")
        ),
        *(("EMAIL", each) for each in ("a@-b.ch", "a@b-.ch", f"a@{LABEL}a.ch", "a@" + "b." * 127 + "ch", "<a@b.ch>")),
        *(
            ("DATE_ISO8601", each)
            for each in ("2023-02-29", "2024-1-1", "20240101", "2024-01-01T00:00:00", "01.01.2024")
        ),
        *(
            ("DATE_ISO8601", each)
            for each in ("0000-01-01", "10000-01-01", "2024-13-01", "2024-00-01", "2024-01-32", "epoch")
        ),
        *(
            ("DATE_ISO8601", each)
            for each in ("2024/01/01", " 2024-01-01", "infinity", "2024-01-01 ", "0044-03-15 (BC)")
        ),
        *(
            ("PHONE_NUMBER_E164", each)
            for each in ("0791234567", "+0791234567", "1", "1234567890123456", "+41 79", "++41", "+")
        ),
        *(("HASH_SHA256_HEX", each) for each in (HEX[1:], HEX + "0", "g" * 64, "0x" + HEX[2:])),
    ],
)
def test_what_is_not_of_the_format_is_told(format_type: str, text: str) -> None:
    validated = validate(f"x,\n{text},x\n".encode(), [column(format_type, nullable=True), column()])
    assert not validated.passed
    assert (f"INVALID_{format_type}_FORMAT", 1, 0) in validated.errors()
    assert validated.report["numInvalidRowsByErrorCode"][f"INVALID_{format_type}_FORMAT"] == 2
    assert text.strip('"') not in {e["message"] for e in validated.report["columns"][0]["recordedErrors"]}


def test_empty_cells() -> None:
    columns = [
        column("INTEGER"),
        column("INTEGER", nullable=True),
        column(nullable=True),
        column("FLOAT", nullable=True),
    ]
    validated = validate(b'1,,"",NaN\n,"",,nan\n', columns)
    assert validated.errors() == [("EMPTY_CELL", 1, 0)]
    validated = validate(b'1,,"",NaN\n2,"",,nan\n', columns)
    assert validated.data == b"1,,,\n2,,,\n"
    assert validated.types is not None
    assert [(each.kind, each.nullable) for each in validated.types] == [
        ("INT64", False), ("INT64", True), ("STRING", True), ("FLOAT64", True),
    ]  # fmt: skip
    assert validate(b"NaN\n", [column("FLOAT")]).errors() == [("EMPTY_CELL", 0, 0)]
    assert validate(b"1,\n", [column(), column(nullable=True, hashed=True)]).data == b"1,\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("format_type", list(READERS))
def test_no_row_of_one_empty_cell_is_lost(format_type: str, end: str) -> None:
    validated = validate(f'""{end}'.encode() * 3, [column(format_type, nullable=True)])
    assert (validated.data, validated.report["numRowsTotal"]) == (b"\n\n\n", 3)


@pytest.mark.parametrize(
    ("each", "accepted", "refused"),
    [
        (column("INTEGER", greater_than=1), ["2"], ["1", "0"]),
        (column("INTEGER", greater_than_equals=1, less_than=3), ["1", "2"], ["0", "3"]),
        (column("INTEGER", greater_than=1.5), ["2"], ["1"]),
        (column("INTEGER", less_than_equals=1.5), ["1"], ["2"]),
        (column("INTEGER", greater_than_equals=-1.5), ["-1"], ["-2"]),
        (column("INTEGER", less_than=2**53 + 1), [str(2**53)], [str(2**53 + 1)]),
        (column("INTEGER", less_than=1e300), ["9223372036854775807"], []),
        (column("INTEGER", greater_than=1e300), [], ["9223372036854775807"]),
        (column("FLOAT", greater_than=0), ["0.1", "5e-324"], ["0", "-0.0", "-1"]),
        (column("FLOAT", less_than_equals=0.1), ["0.1", ".1"], ["0.10000000000000002"]),
    ],
)
def test_ranges(each: dict[str, Any], accepted: list[str], refused: list[str]) -> None:
    validated = validate("\n".join([*accepted, *refused]).encode(), [each])
    expected = [("INVALID_NUMERIC_RANGE", row, 0) for row in range(len(accepted), len(accepted) + len(refused))]
    assert validated.errors() == expected


def test_rows_with_too_few_and_too_many_cells() -> None:
    columns = [column(), column("INTEGER", nullable=True)]
    validated = validate(b"a,1\nb\n\nc,1,\nd,\n,1,2,3,4\n", columns)
    assert validated.errors() == [
        ("NOT_ENOUGH_COLUMNS_PROVIDED", 1, 1),
        ("TOO_MANY_COLUMNS_PROVIDED", 2, 2),
        ("TOO_MANY_COLUMNS_PROVIDED", 4, 2),
    ]
    assert validated.report["schema"]["numErrorsTotal"] == 3
    assert validated.report["numRowsTotal"] == 5
    assert validated.report["numInvalidRowsTotal"] == 3
    dropped = validate(b"a,1\nb\n\nc,1,\nd,\n,1,2,3,4\n", columns, drop=True)
    assert dropped.data == b"a,1\nd,\n"
    assert dropped.report["dropInvalidRows"] == {"numInvalidRowsDropped": 3}


def test_all_combinations_are_unique() -> None:
    data = b"1,a,x\n2,a,y\n1,b,z\n1,a,q\n3,c,x\n1,a,x\n"
    columns = [column("INTEGER"), column(), column()]
    validated = validate(data, columns, unique=[[0, 1], [2]])
    assert validated.errors() == [
        ("DUPLICATE_VALUES", 3, 0), ("DUPLICATE_VALUES", 4, 2), ("DUPLICATE_VALUES", 5, 0), ("DUPLICATE_VALUES", 5, 2),
    ]  # fmt: skip
    assert validated.report["numInvalidRowsTotal"] == 3
    assert validated.report["numInvalidRowsByErrorCode"] == {"DUPLICATE_VALUES": 3}
    assert "row 0" in validated.report["uniqueness"]["recordedErrors"][0]["message"]
    assert validate(data, columns, unique=[[0, 1], [2]], drop=True).data == b"1,a,x\n2,a,y\n1,b,z\n"
    assert validate(data, columns, unique=[[0, 1, 2]]).errors() == [("DUPLICATE_VALUES", 5, 0)]


def test_uniqueness_is_that_of_values() -> None:
    columns = [column("INTEGER", nullable=True), column("FLOAT"), column("EMAIL", hashed=True)]
    data = b"1,.5,A@b.ch\n+1,1,c@d.ch\n2,0.50,e@f.ch\n3,2,a@B.CH\n,3,g@h.ch\n,4,i@j.ch\n"
    assert validate(data, columns, unique=[[0], [1], [2]]).errors() == [
        ("DUPLICATE_VALUES", row, place) for row, place in ((1, 0), (2, 1), (3, 2), (5, 0))
    ]


def test_rows_that_are_invalid_are_not_the_first_of_their_kind() -> None:
    validated = validate(b"1,x\n1,2\n1,3\n", [column(), column("INTEGER")], unique=[[0]], drop=True)
    assert validated.data == b"1,2\n"
    assert validated.errors() == [("DUPLICATE_VALUES", 2, 0), ("INVALID_INTEGER_FORMAT", 0, 1)]


def test_of_very_many_errors_some_are_recorded_and_all_counted() -> None:
    many = b"x,1,y\n" * 700 + b"7,1,z\n" * 30 + b"8,2,z\n"
    validated = validate(many + b"1\n" * 600, [column("INTEGER"), column(), column()], unique=[[0]], drop=True)
    (first, _, _), schema = validated.report["columns"], validated.report["schema"]
    assert (len(first["recordedErrors"]), first["numErrorsTotal"]) == (500, 700)
    assert [error["location"]["row"] for error in first["recordedErrors"]] == list(range(500))
    assert (len(schema["recordedErrors"]), schema["numErrorsTotal"]) == (500, 600)
    uniqueness = validated.report["uniqueness"]
    assert (len(uniqueness["recordedErrors"]), uniqueness["numErrorsTotal"]) == (10, 29)
    assert validated.report["numInvalidRowsByErrorCode"] == {
        "INVALID_INTEGER_FORMAT": 700, "NOT_ENOUGH_COLUMNS_PROVIDED": 600, "DUPLICATE_VALUES": 29,
    }  # fmt: skip
    assert (
        validated.report["numInvalidRowsTotal"] == validated.report["dropInvalidRows"]["numInvalidRowsDropped"] == 1329
    )
    assert validated.data == b"7,1,z\n8,2,z\n"


def test_the_report_has_its_documented_shape() -> None:
    data = b"1,x\n2,\n"
    assert validate(data, [column("INTEGER"), column()], unique=[[0]], drop=True).report == {
        "columns": [
            {"column": 0, "recordedErrors": [], "numErrorsTotal": 0},
            {
                "column": 1,
                "recordedErrors": [
                    {
                        "code": "EMPTY_CELL",
                        "message": "This cell is empty, which the column doesn't allow.",
                        "location": {"row": 1, "column": 1},
                    }
                ],
                "numErrorsTotal": 1,
            },
        ],
        "schema": {"recordedErrors": [], "numErrorsTotal": 0},
        "table": {"recordedErrors": [], "numErrorsTotal": 0},
        "uniqueness": {"recordedErrors": [], "numErrorsTotal": 0},
        "outcome": "PASSED",
        "numInvalidRowsTotal": 1,
        "numInvalidRowsByErrorCode": {"EMPTY_CELL": 1},
        "numRowsTotal": 2,
        "originalFileSizeBytes": len(data),
        "detectedFileType": "text/csv",
        "dropInvalidRows": {"numInvalidRowsDropped": 1},
    }
    assert set(validate(data, [column("INTEGER"), column(nullable=True)]).report) == {
        "columns", "schema", "table", "outcome", "numInvalidRowsTotal", "numInvalidRowsByErrorCode", "numRowsTotal",
        "originalFileSizeBytes", "detectedFileType",
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\n\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("width", [1, 3])
def test_a_file_without_rows_is_a_table_without_rows(content: bytes, width: int) -> None:
    validated = validate(content, [column("INTEGER")] * width, unique=[[0]])
    assert validated.passed
    assert validated.data == b""
    assert validated.report["numRowsTotal"] == 0


def test_a_very_wide_table() -> None:
    columns = [column("INTEGER"), column("FLOAT", nullable=True, less_than=5)] * 75
    good, bad = ",".join(["1"] * 150), ",".join(["x"] * 150)
    validated = validate(f"{good}\n{bad}\n".encode(), columns, drop=True)
    assert validated.rows == [["1", "1.0"] * 75]
    assert sum(each["numErrorsTotal"] for each in validated.report["columns"]) == 150


CELLS = st.one_of(
    st.sampled_from(
        [
            *("", "", "1", "01", "+1", "2", "-5", "1.5", "1e3", "NaN", " 1", "a@b.ch", "A@B.ch", "2024-02-29"),
            *(
                "2023-02-29",
                "0041",
                "+4179",
                "4179",
                HEX,
                HEX.lower(),
                "x",
                "9223372036854775808",
                "1e999",
                "-0.0",
                "0",
            ),
            *('q"q', "a,b", " ", "l\nm", "l\rm", "é", "9007199254740993", "NULL", "true"),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.integers(-(2**64), 2**64).map(str),
    st.floats().map(repr),
    st.dates().map(str),
)
BOUNDS = st.dictionaries(
    st.sampled_from(["greater_than", "greater_than_equals", "less_than", "less_than_equals"]),
    st.one_of(st.integers(-5, 5), st.floats(-1e4, 1e4)),
    max_size=2,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], list[dict[str, Any]], list[list[int]]]:
    """Records, more or less as the columns want them; columns; combinations."""
    columns = []
    for _ in range(draw(st.integers(1, 4))):
        format_type = draw(st.sampled_from(list(READERS)))
        bounds = draw(BOUNDS) if format_type in ("INTEGER", "FLOAT") else {}
        columns.append(column(format_type, nullable=draw(st.booleans()), hashed=draw(st.booleans()), **bounds))
    width = len(columns)
    widths = st.just(width) if draw(st.booleans()) else st.integers(1, width + 3)
    records = draw(st.lists(widths.flatmap(lambda size: st.lists(CELLS, min_size=size, max_size=size)), max_size=8))
    combination = st.lists(st.integers(0, width - 1), min_size=1, max_size=width, unique=True)
    return records, columns, draw(st.lists(combination, max_size=2))


@given(
    tables(), st.booleans(), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
)
@settings(max_examples=50)
def test_an_oracle_in_plain_python_says_the_same(
    table: tuple[list[list[str]], list[dict[str, Any]], list[list[int]]], drop: bool, end: str, quoting: Any
) -> None:
    records, columns, unique = table
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=quoting).writerows(records)
    written = [record for record in csv.reader(io.StringIO(text.getvalue(), newline=""), strict=True) if record]
    expected = expect(written, columns, unique, drop)
    validated = validate(text.getvalue().encode(), columns, unique=unique, drop=drop)
    assert validated.errors() == expected.errors
    assert validated.report["numRowsTotal"] == expected.total
    assert validated.report["numInvalidRowsTotal"] == expected.invalid
    assert validated.passed == (expected.rows is not None)
    if expected.rows is not None:
        # Of one column, an empty line is an empty cell.
        assert [row or [""] for row in validated.rows] == expected.rows


@given(st.text('ab1,\n\r" ', max_size=14), st.integers(1, 3), st.booleans())
@settings(max_examples=60)
def test_any_text_is_read_as_the_exact_reader_reads_it(text: str, width: int, windows: bool) -> None:
    text = text.replace("\r", "").replace("\n", "\r\n") if windows else text
    try:
        records = [record for record in csv.reader(io.StringIO(text, newline=""), strict=True) if record]
    except csv.Error:
        assert validate(text.encode(), [column(nullable=True)] * width).file_error == "INVALID_CSV"
        return
    expected = expect(records, [column(nullable=True)] * width, [], True)
    validated = validate(text.encode(), [column(nullable=True)] * width, drop=True)
    assert validated.errors() == expected.errors
    assert [row or [""] for row in validated.rows] == expected.rows


def test_large_files_keep_their_order_and_their_row_numbers() -> None:
    chance = random.Random(5)
    rows = [f'{i},"a ""b"", {chance.random()}",{"x" * chance.randrange(60)}' for i in range(400_000)]
    validated = validate("\n".join(rows).encode(), [column("INTEGER"), column(), column(nullable=True)], unique=[[0]])
    assert validated.passed
    assert validated.data is not None
    assert [int(line.partition(b",")[0]) for line in validated.data.splitlines()] == list(range(400_000))
    for bad in (70_001, 250_000, 399_999):
        rows[bad] = f"x{rows[bad]}"
    rows[300_000] = rows[5]
    columns = [column("INTEGER"), column(), column(nullable=True)]
    validated = validate("\n".join(rows).encode(), columns, unique=[[0]], drop=True)
    assert validated.errors() == [
        ("DUPLICATE_VALUES", 300_000, 0), *(("INVALID_INTEGER_FORMAT", bad, 0) for bad in (70_001, 250_000, 399_999)),
    ]  # fmt: skip
    assert validated.data is not None
    kept = [int(line.partition(b",")[0]) for line in validated.data.splitlines()]
    assert kept == [i for i in range(400_000) if i not in (70_001, 250_000, 300_000, 399_999)]
