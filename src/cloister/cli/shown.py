"""How commands show things: tables for people, JSON for programs. What others have written can't reach the terminal."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

_SHORT = 12
_GAP = "  "


def plain(text: str, *, keep: str = "") -> str:
    """A text without anything that moves a cursor, ends a line or reorders letters, but for those of ``keep``."""
    return "".join(letter if letter.isprintable() or letter in keep else "?" for letter in text)


def short(digest: str) -> str:
    """The beginning of an id: enough to name it by."""
    return digest[:_SHORT]


def moment(when: str | int) -> str:
    """A time in ISO 8601, or in milliseconds since 1970, to the minute."""
    parsed = datetime.fromisoformat(when) if isinstance(when, str) else datetime.fromtimestamp(when / 1000, UTC)
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M}"


def size(count: int) -> str:
    """Bytes, rounded."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> str:
    """Columns as wide as what is in them, a line each; the last one is not filled up."""
    lines = [tuple(headings), *(tuple(plain(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    padded = ((cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(indent + _GAP.join(cells).rstrip() for cells in padded)


def words(*command: str) -> str:
    """A command as it can be typed."""
    return shlex.join(command)


def tell(text: str) -> None:
    """To standard output: what was asked for."""
    click.echo(text)


def remark(text: str) -> None:
    """To standard error: what is said besides."""
    click.echo(text, err=True)


def document(value: dict[str, Any]) -> None:
    """JSON to standard output, in ASCII: what a terminal shows of it is what is there."""
    click.echo(json.dumps(value, indent=2))
