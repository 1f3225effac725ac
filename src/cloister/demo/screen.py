"""How the demo speaks: eighty columns, colour on a terminal only, and a sign of life where a person waits."""

from __future__ import annotations

import contextlib
import os
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence

import click

WIDTH = 78
_INDENT = "  "
_LABEL = 11
_TICK_SECONDS = 0.1


class Screen:
    """Writes to standard output."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._chapter = 0
        # click leaves colour out where it doesn't write to a terminal; no-color.org is for those who want none there.
        self._color: bool | None = False if os.environ.get("NO_COLOR") else None

    def title(self, text: str) -> None:
        """The first line."""
        self._line(click.style(text, bold=True))
        self._line(click.style("=" * len(text), bold=True))

    def chapter(self, text: str) -> None:
        """Begins a part, numbered."""
        self._chapter += 1
        self._line()
        self._line(click.style(f"{self._chapter}. {text}", fg="cyan", bold=True))

    def tell(self, text: str) -> None:
        """A paragraph."""
        self._line()
        self._wrapped(text, _INDENT)

    def warn(self, text: str) -> None:
        """A paragraph that nobody shall miss."""
        self._line()
        for line in textwrap.wrap(text, WIDTH - 4):
            self._line(click.style("  ! ", fg="yellow", bold=True) + click.style(line, fg="yellow"))

    def fact(self, who: str, text: str) -> None:
        """What somebody does or sees."""
        self._labelled(who, text, click.style(f"{who:<{_LABEL}}", bold=True))

    def refusal(self, who: str, tries: str, error: str) -> None:
        """What somebody may not do, and the very words they are told."""
        self.fact(who, tries)
        self._labelled("refused", error, click.style(f"{'refused':<{_LABEL}}", fg="red", bold=True))

    def verbatim(self, lines: Sequence[str]) -> None:
        """Lines as they are, set apart."""
        self._line()
        for line in lines:
            self._line(click.style(f"{_INDENT}| ", dim=True) + line)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as they need to be; the first row is the heading."""
        self._line()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            self._line(_INDENT + (click.style(line, bold=True) if number == 0 else line))

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Says what is waited for while the block runs, counting on a terminal; then how long it took, well or not."""
        started = time.monotonic()
        over = threading.Event()
        counting = threading.Thread(target=self._count, args=(text, started, over), daemon=True)
        if self._terminal:
            counting.start()
        try:
            yield
        finally:
            over.set()
            if self._terminal:
                counting.join()
            self._line(f"{_INDENT}{text} ... {time.monotonic() - started:.1f} s")

    def _count(self, text: str, started: float, over: threading.Event) -> None:
        while not over.wait(_TICK_SECONDS):
            click.echo(f"\r{_INDENT}{text} ... {time.monotonic() - started:.1f} s", nl=False)
        click.echo("\r", nl=False)

    def _labelled(self, label: str, text: str, shown: str) -> None:
        lines = textwrap.wrap(text, WIDTH - 2 - _LABEL, break_long_words=False, break_on_hyphens=False) or [""]
        self._line(_INDENT + shown + lines[0])
        for line in lines[1:]:
            self._line(_INDENT + " " * max(_LABEL, len(label)) + line)

    def _wrapped(self, text: str, indent: str) -> None:
        for line in textwrap.wrap(text, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
            self._line(indent + line)

    def _line(self, text: str = "") -> None:
        click.echo(text, color=self._color)
