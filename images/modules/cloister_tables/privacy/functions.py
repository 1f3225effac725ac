"""Which functions and aggregates the filter lets through, and what is known of their results.

Each is deterministic, looks at nothing but its arguments, and makes no more of them than there was: a function that can
make a long text of a short one, on a condition, would tell of the condition by running out of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Kind = Literal["int", "float", "text", "bool", "date", "timestamp", "null", "other"]
"""What is known of a value's type. Of `other`, nothing is."""

_NUMBERS = ("int", "float")


def numeric(kinds: Sequence[Kind]) -> Kind:
    """Of numbers: whole where all are."""
    if all(kind == "int" for kind in kinds):
        return "int"
    return "float" if all(kind in _NUMBERS for kind in kinds) else "other"


def comparable(kinds: Sequence[Kind]) -> bool:
    """Whether values of these kinds can be compared, or be one column, without a cast that could fail."""
    known = {kind for kind in kinds if kind != "null"}
    return "other" not in known and (len(known) < 2 or known <= set(_NUMBERS))


def unified(kinds: Sequence[Kind]) -> Kind:
    """The kind of a value that is one of these."""
    known = [kind for kind in kinds if kind != "null"]
    if not known:
        return "null"
    if not comparable(known):
        return "other"
    return known[0] if len(set(known)) == 1 else "float"


def _always(kind: Kind) -> Callable[[Sequence[Kind]], Kind]:
    return lambda _: kind


def _of_known(kind: Kind) -> Callable[[Sequence[Kind]], Kind]:
    return lambda kinds: "other" if "other" in kinds else kind


_SAME_NUMBER = ("+", "-", "*", "%", "//", "mod", "abs", "greatest", "least", "add", "subtract", "multiply")
_WHOLE = (
    "length", "len", "strlen", "position", "strpos", "instr", "sign", "year", "month", "day", "quarter", "week",
    "dayofweek", "isodow", "dayofyear", "weekday", "hour", "minute", "second", "date_part", "datepart", "date_diff",
    "datediff",
)  # fmt: skip
_REAL = (
    "sqrt", "cbrt", "ln", "log", "log2", "log10", "exp", "pow", "power", "**", "^", "sin", "cos", "tan", "asin",
    "acos", "atan", "atan2", "radians", "degrees",
)  # fmt: skip
_ROUNDED = ("round", "floor", "ceil", "ceiling", "trunc")
_TEXTS = (
    "lower", "upper", "trim", "ltrim", "rtrim", "substring", "substr", "left", "right", "replace",
    "reverse", "split_part", "md5", "sha256", "regexp_extract", "strftime", "dayname", "monthname", "lcase", "ucase",
)  # fmt: skip
_TRUTHS = (
    "starts_with", "prefix", "^@", "ends_with", "suffix", "contains", "~~", "!~~", "~~*", "!~~*", "~~~",
    "regexp_matches", "regexp_full_match", "isnan", "isinf", "isfinite",
)  # fmt: skip
_ESCAPED = ("like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape")
_OF_UNITS = ("date_part", "datepart", "date_trunc", "date_diff", "datediff")
_UNITS = frozenset({
    "year", "years", "quarter", "quarters", "month", "months", "week", "weeks", "day", "days", "hour", "hours",
    "minute", "minutes", "second", "seconds", "millisecond", "milliseconds", "microsecond", "microseconds", "decade",
    "century", "millennium", "isoyear", "yearweek", "weekofyear", "dayofyear", "doy", "dayofmonth", "dayofweek",
    "weekday", "dow", "isodow", "epoch", "julian",
})  # fmt: skip

OF_DATES = frozenset({"week", "dayofweek", "weekday", "isodow", "dayofyear"})
"""What takes dates and time stamps alone: at an interval, DuckDB fails when it gets to a row, and TRY doesn't help."""

RESULTS: Mapping[str, Callable[[Sequence[Kind]], Kind]] = {
    **dict.fromkeys(_SAME_NUMBER, numeric),
    **dict.fromkeys(_WHOLE, _always("int")),
    **dict.fromkeys(_REAL, _always("float")),
    **dict.fromkeys(_ROUNDED, lambda kinds: kinds[0] if kinds and kinds[0] in _NUMBERS else "other"),
    **dict.fromkeys(_TEXTS, _always("text")),
    **dict.fromkeys((*_TRUTHS, *_ESCAPED), _always("bool")),
    # Lists that are put together are a list, and part of an interval is an interval.
    **dict.fromkeys(("||", "concat"), _of_known("text")),
    "/": _of_known("float"),
    "date_trunc": _always("other"),
    "last_day": _always("date"),
    "make_date": _always("date"),
    "try_strptime": _always("timestamp"),
    "nullif": lambda kinds: kinds[0] if comparable(kinds) else "other",
}
"""Scalar functions, and the kind of what they give."""

CONSTANT_ARGUMENTS: Mapping[str, Sequence[int]] = {
    "replace": (1, 2),
    "split_part": (1,),
    "regexp_matches": (1, 2),
    "regexp_full_match": (1, 2),
    "regexp_extract": (1, 2, 3),
    **dict.fromkeys(_ESCAPED, (1, 2)),
    "strftime": (1,),
    "try_strptime": (1,),
    **dict.fromkeys(_OF_UNITS, (0,)),
}
"""Which arguments have to stand in the query as they are."""


def objection(name: str, constants: Sequence[str]) -> str | None:
    """What is wrong with those arguments, where DuckDB fails at them when it gets to a row: TRY doesn't catch that."""
    if name in _OF_UNITS and constants[0].lower() not in _UNITS:
        return f"'{constants[0]}' is no part of a date that can be used together with minimum_rows"
    if name in _ESCAPED:
        pattern, escape = constants
        if len(escape) != 1 or not escape.isascii() or escape.isalpha():
            return "ESCAPE takes one character, and no letter"
        if (len(pattern) - len(pattern.rstrip(escape))) % 2:
            return f"the pattern ends with the '{escape}' of its ESCAPE"
    return None


_NEVER_FAIL: Mapping[str, tuple[Kind, ...]] = {
    **dict.fromkeys(("lower", "upper", "trim", "ltrim", "rtrim", "length", "len", "strlen", "reverse"), ("text",)),
    **dict.fromkeys(("starts_with", "prefix", "^@", "ends_with", "suffix", "contains"), ("text",)),
    **dict.fromkeys(("~~", "!~~", "~~*", "!~~*"), ("text",)),
    **dict.fromkeys(("/", "isnan"), ("float", "int")),
    **dict.fromkeys(("year", "month", "day", "quarter", "dayofweek", "dayname", "monthname"), ("date",)),
}


def can_fail(name: str, kinds: Sequence[Kind]) -> bool:
    """Whether a value could make the function fail: then it has to be tried."""
    return name not in _NEVER_FAIL or not all(kind in _NEVER_FAIL[name] for kind in kinds)


def long(name: str) -> bool:
    """Whether the function puts texts together."""
    return name in ("||", "concat")


_MEAN: Kind = "float"
PROTECTED: Mapping[str, Kind | None] = {
    "count": "int",
    "sum": None,
    **dict.fromkeys(("avg", "mean", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop"), _MEAN),
}
"""Aggregates that say something of all rows of a group and nothing of one, and the kind of what they give; None where
it is that of their argument."""

SAFE: Mapping[str, Kind | None] = {
    **PROTECTED,
    **dict.fromkeys(("min", "max"), None),
    **dict.fromkeys(("corr", "covar_pop", "covar_samp"), _MEAN),
    "median": "float",
    **dict.fromkeys(("bool_and", "bool_or"), "bool"),
}
"""Aggregates over what has been aggregated before, or is nobody's to protect."""

CASTS: Mapping[str, Kind] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "INT8", "INT4", "INT64", "INT32"), "int"),
    "LONG": "int",
    **dict.fromkeys(("DOUBLE", "FLOAT", "REAL", "FLOAT8", "FLOAT4"), "float"),
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING"), "text"),
    **dict.fromkeys(("BOOLEAN", "BOOL"), "bool"),
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    **dict.fromkeys(("DECIMAL", "NUMERIC"), "other"),
}
"""Types that values may be cast to."""
