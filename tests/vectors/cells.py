"""Cells of tables: what the validation in the enclave makes of them. A browser that checks a table before it is sent
must say the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb

# A module of worker images: it is imported from where it lies.
sys.path.insert(0, str(Path(__file__).parents[2] / "images/modules"))

from cloister_tables.validation import cells as sql
from cloister_tables.validation.layout import read_layout

_EMPTY = ["", " ", "\t", "\u00a0", "\ufeff", "null", "NULL", "NaN", "nan", "NAN", "N/A", "\n", "\r\n", '"', '""', ","]
_NUMBERS = [
    *(
        "0",
        "-0",
        "+0",
        "00",
        "-00",
        "1",
        "+1",
        "01",
        "-01",
        "+01",
        "--1",
        "+-1",
        "1-",
        "1+",
        "+",
        "-",
        "1 ",
        " 1",
        "1\n",
    ),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
    *("+9223372036854775807", "00000000000000000000000000000000000000000000000000000000000000001", "9" * 400),
    *("1_000", "1,000", "1'000", "1.", ".1", "1.0", "-.5", "+.5e3", ".", "-.", "e3", "1e", "1e+", "1e5", "1E5", "1e-5"),
    *("1e308", "1.7976931348623157e308", "1.7976931348623159e308", "1e309", "-1e309", "1e400", "1e99999", "1e-400"),
    *("4.9e-324", "2e-324", "0e999999", "-0.0", "-0e5", "0.1", "0.30000000000000004", "123456789.123456789"),
    *("9007199254740993", "1e22", "1e21", "123456789012345678901234567890", "0x10", "0b1", "0o7", "1f", "1d", "1L"),
    *(
        "inf",
        "-inf",
        "Infinity",
        "+inf",
        "INF",
        "-nan",
        "+nan",
        "nan(1)",
        "\u0661\u0662",
        "\uff11\uff12",
        "\u00b2",
        "\u2212" + "1",
    ),
    *(
        "\u00bd",
        "\u096b",
        "1\u00a0",
        "\u200b1",
        "1\u200b",
        "=1+1",
        "@SUM(1)",
        "TRUE",
        "true",
        "50%",
        "$5",
        "1/2",
        "1;2",
    ),
]
_DATES = [
    *("2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "2024-01-01", "2024-12-31", "2024-13-01", "2024-00-10"),
    *("2024-01-00", "2024-01-32", "2024-04-31", "2024-1-1", "24-01-01", "0001-01-01", "0000-01-01", "0000-12-31"),
    *("9999-12-31", "10000-01-01", "-001-01-01", "+2024-01-01", "2024-01-01 ", " 2024-01-01", "2024-01-01T00:00:00"),
    *("2024-01-01 00:00", "2024/01/01", "01.02.2024", "01/02/2024", "20240101", "2024-W01-1", "2024-001", "epoch"),
    *(
        "infinity",
        "-infinity",
        "today",
        "now",
        "2024-01-01 (BC)",
        "\u0662\u0660\u0662\u0664-01-01",
        "2024\u201301\u201301",
    ),
    *("2024-01-01\n", "1582-10-10", "0099-01-01", "2100-02-29", "2400-02-29"),
]
_EMAILS = [
    *("a@b.co", "A@B.CO", "ann.lee+x@example.com", "a@b", "@b.co", "a@", "a@@b.co", "a b@c.de", "a@b..co", "a@.b.co"),
    *("a@-b.co", "a@b-.co", "a@b-c.co", ".a@b.co", "a.@b.co", "a..b@c.de", "a@b.c", "a@1.2", "a@[1.2.3.4]", "a@b.co."),
    *("a@b_c.de", "o'brien@example.ie", "a`{|}~!#$%&*/=?^_-+@example.com", '"a b"@c.de', "a@b.co,c@d.ef", "<a@b.co>"),
    *("\u00e4@b.co", "a@\u00e4.de", "a@xn--4ca.de", "a@b.co ", " a@b.co", "a@b.co\n", "K@\u212a.co", "mailto:a@b.co"),
    *(
        "x" * 63 + "@" + "y" * 63 + ".de",
        "x@" + "y" * 64 + ".de",
        "x" * 242 + "@example.com",
        "x" * 243 + "@example.com",
    ),
    *("x" * 248 + "@b.co", "x" * 249 + "@b.co", "<img src=x onerror=alert(1)>@b.co"),
]
_PHONES = [
    *("+41791234567", "41791234567", "0791234567", "+0791234567", "0041791234567", "+1", "1", "12", "+12"),
    *(
        "123456789012345",
        "1234567890123456",
        "+123456789012345",
        "+1234567890123456",
        "++41791234567",
        "+",
        "+41 79 123",
    ),
    *(
        "+41-79-1234567",
        "(41)791234567",
        "41791234567 ",
        "\uff0b41791234567",
        "+\u0664\u0661791234567",
        "tel:+41791234567",
    ),
]
_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_HASHES = [_HASH, _HASH.upper(), _HASH[:-1], _HASH + "0", "g" + _HASH[1:], "0x" + _HASH[2:], _HASH + "\n", " " + _HASH]
_TEXTS = [
    *(
        "a",
        "A",
        " a ",
        "\u00e9",
        "e\u0301",
        "\u6f22",
        "\U0001f600",
        "\u202eabc",
        "a,b",
        'a"b',
        "a\nb",
        "a\r\nb",
        "a\rb",
    ),
    *(
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\t=1",
        "'",
        "<script>alert(1)</script>",
        "x" * 5000,
        "\x01",
        "\x7f",
        "\u2028",
        "\\N",
        "\\",
    ),
]
_OF = {
    "INTEGER": _NUMBERS,
    "FLOAT": _NUMBERS,
    "STRING": _TEXTS,
    "EMAIL": _EMAILS,
    "DATE_ISO8601": _DATES,
    "PHONE_NUMBER_E164": _PHONES,
    "HASH_SHA256_HEX": _HASHES,
}
_RANGES: list[tuple[str, dict[str, float], list[str]]] = [
    ("INTEGER", {"greater_than": 0, "less_than": 10}, ["-1", "0", "00", "1", "9", "10", "+10", ""]),
    ("INTEGER", {"greater_than_equals": 0.5, "less_than_equals": 2.5}, ["0", "1", "2", "3"]),
    ("INTEGER", {"greater_than": 0.5, "less_than": 2.5}, ["0", "1", "2", "3"]),
    ("INTEGER", {"greater_than": -1.5, "less_than": -0.5}, ["-2", "-1", "0"]),
    ("INTEGER", {"less_than_equals": 9007199254740992}, ["9007199254740992", "9007199254740993"]),
    ("INTEGER", {"less_than": 9223372036854775808}, ["9223372036854775807"]),
    ("INTEGER", {"greater_than": 1e300}, ["9223372036854775807"]),
    ("INTEGER", {"greater_than_equals": -1e300}, ["-9223372036854775808"]),
    (
        "FLOAT",
        {"greater_than": 0, "less_than": 1},
        ["0", "-0.0", "1e-300", "0.5", "1", "1.0", "0.99999999999999999", "nan"],
    ),
    (
        "FLOAT",
        {"greater_than_equals": 0.1, "less_than_equals": 0.3},
        ["0.1", "0.3", "0.30000000000000004", "1e309", "x"],
    ),
]


def cells() -> dict[str, Any]:
    """Columns as a room's definition has them, each with texts: what is wrong with a text, and what it becomes."""
    plain: list[tuple[dict[str, Any], list[str]]] = [
        ({"type": kind, "nullable": nullable, "hash": False}, _EMPTY + texts)
        for kind, texts in _OF.items()
        for nullable in (False, True)
    ]
    hashed: list[tuple[dict[str, Any], list[str]]] = [
        ({"type": kind, "nullable": True, "hash": True}, texts[:12]) for kind, texts in _OF.items() if kind != "FLOAT"
    ]
    ranged: list[tuple[dict[str, Any], list[str]]] = [
        ({"type": kind, "nullable": True, "hash": False, "range": bounds}, texts) for kind, bounds, texts in _RANGES
    ]
    with duckdb.connect() as connection:
        return {"columns": [_of(connection, column, texts) for column, texts in [*plain, *hashed, *ranged]]}


def _of(connection: duckdb.DuckDBPyConnection, column: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    layout = read_layout({"columns": [{"name": "c", **column}], "unique": [], "drop_invalid_rows": False})
    (read,) = layout.columns
    given = "SELECT unnest(?::VARCHAR[]) AS t, unnest(range(?)) AS place"
    values = f"SELECT place, t, {sql.value(read, 't')} AS v FROM ({given})"
    faults = f"SELECT place, v, {sql.fault(read, 't', 'v')} AS f FROM ({values})"
    found = connection.execute(
        f"SELECT f, ({sql.written(read, 'v')})::VARCHAR FROM ({faults}) ORDER BY place", [texts, len(texts)]
    ).fetchall()
    told = {"type": column["type"], "nullable": column["nullable"], "hashed": column["hash"]}
    bounds = {"range": column["range"]} if "range" in column else {}
    return {
        **told,
        **bounds,
        "cells": [
            {"text": text, "code": sql.CODES[fault]} if fault else {"text": text, "written": written}
            for text, (fault, written) in zip(texts, found, strict=True)
        ],
    }
