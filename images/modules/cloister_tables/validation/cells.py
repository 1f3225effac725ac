"""What each format accepts, and what it becomes: SQL for one column of text.

Each value has one form in the validated table, so that equal values compare, join and hash as equal: numbers as
their type writes them, e-mail addresses and hashes in lower case, phone numbers with their plus.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from cloister_tables.validation.layout import FORMATS, Column

CODES: Final = dict(
    enumerate(
        (
            "NOT_ENOUGH_COLUMNS_PROVIDED",
            "TOO_MANY_COLUMNS_PROVIDED",
            "EMPTY_CELL",
            "INVALID_NUMERIC_RANGE",
            *(f"INVALID_{each}_FORMAT" for each in FORMATS if each != "STRING"),
        ),
        start=1,
    )
)
"""What may be wrong with a row or a cell, by the number that stands for it in SQL."""
NUMBERS_OF_CODES: Final = {code: number for number, code in CODES.items()}

_LABEL: Final = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
# WHATWG HTML, "valid e-mail address", of a domain with a dot at least.
_EMAIL: Final = rf"[a-zA-Z0-9.!#$%&''*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+"
_EMAIL_LENGTH: Final = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
_FLOAT: Final = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"

# Numbers and dates mostly have their one form already: to compare them with it is faster than any pattern.
_VALUES: Final[Mapping[str, str]] = {
    "INTEGER": "CASE WHEN TRY_CAST({0} AS BIGINT)::VARCHAR = {0} OR regexp_full_match({0}, '[+-]?[0-9]+') "
    "THEN TRY_CAST({0} AS BIGINT) END",
    # As text: it is written more often than it is compared. + 0.0: there is one zero.
    "FLOAT": "CASE WHEN TRY_CAST({0} AS DOUBLE)::VARCHAR = {0} "
    "AND {0} NOT IN ('-0.0', 'inf', '-inf', 'nan', '-nan') THEN {0} "
    f"WHEN regexp_full_match({{0}}, '{_FLOAT}') THEN (TRY_CAST({{0}} AS DOUBLE) + 0.0::DOUBLE)::VARCHAR END",
    "STRING": "nullif({0}, '')",
    "EMAIL": f"CASE WHEN regexp_full_match({{0}}, '{_EMAIL.replace('{', '{{').replace('}', '}}')}') "
    f"AND strlen({{0}}) <= {_EMAIL_LENGTH} THEN lower({{0}}) END",
    "DATE_ISO8601": "CASE WHEN TRY_CAST({0} AS DATE)::VARCHAR = {0} AND strlen({0}) = 10 AND {0} > '0001' THEN {0} END",
    "PHONE_NUMBER_E164": "CASE WHEN regexp_full_match({0}, '\\+?[1-9][0-9]{{1,14}}') THEN '+' || ltrim({0}, '+') END",
    "HASH_SHA256_HEX": "CASE WHEN regexp_full_match({0}, '[0-9a-fA-F]{{64}}') THEN lower({0}) END",
}
"""The value that a text stands for, by format; NULL where it doesn't, or where it is empty."""


def value(column: Column, text: str) -> str:
    """SQL for the value of a cell, of its text."""
    return _VALUES[column.format].format(text)


def fault(column: Column, text: str, found: str) -> str:
    """SQL for what is wrong with a cell, of its text and its `value`; 0 where nothing is."""
    empty = f"{text} = ''"
    if column.format == "FLOAT":
        empty = f"({empty} OR lower({text}) = 'nan')"  # a number that isn't there
    cases = [f"WHEN {empty} THEN {0 if column.nullable else NUMBERS_OF_CODES['EMPTY_CELL']}"]
    if column.format != "STRING":
        wrong = f"{found} IS NULL" + (f" OR {found} IN ('inf', '-inf')" if column.format == "FLOAT" else "")
        cases.append(f"WHEN {wrong} THEN {NUMBERS_OF_CODES[f'INVALID_{column.format}_FORMAT']}")
    if column.bounds:
        number = f"{found}::DOUBLE" if column.format == "FLOAT" else found
        compared = [f"{number} {comparison} {_bound(column, comparison, each)}" for comparison, each in column.bounds]
        cases.append(f"WHEN NOT ({' AND '.join(compared)}) THEN {NUMBERS_OF_CODES['INVALID_NUMERIC_RANGE']}")
    return f"CASE {' '.join(cases)} ELSE 0 END"


def written(column: Column, found: str) -> str:
    """SQL for what stands in the validated table, of a cell's `value`.

    What is hashed is the UTF-8 of the value as it would stand there otherwise, of every format: that of an e-mail
    address in lower case, of a phone number with its plus, of a hash its lower-case digits. An empty cell stays empty.
    """
    return f"sha256({found}::VARCHAR)" if column.hashed else found


def _bound(column: Column, comparison: str, number: float) -> str:
    if column.format == "FLOAT":
        return f"{float(number)!r}::DOUBLE"
    # Whole numbers are compared with whole numbers: as a DOUBLE, large ones would lose digits.
    whole = math.floor(number) if comparison in (">", "<=") else math.ceil(number)
    # Beyond 64 bits all bounds are the same.
    return f"{max(-(2**64), min(2**64, whole))}::HUGEINT"
