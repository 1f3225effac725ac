"""How far transfers are: bars for people who look at a terminal, a function to call for programs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from tqdm import tqdm

from cloister.errors import BadRequestError
from cloister.wire.transfers import Told, untold

Direction = Literal["upload", "download"]
_DELAY = 0.5
"""Seconds before a bar appears: what is over sooner needs none."""


@dataclass(frozen=True)
class TransferProgress:
    """How far one transfer is."""

    direction: Direction
    name: str
    """Of the file or result, as the caller knows it. It does not leave this machine."""
    done: int
    """Bytes of plaintext that have arrived, what an earlier try had brought among them."""
    total: int | None
    """Bytes of plaintext; None where that is not known before the end."""


@dataclass(frozen=True)
class RunProgress:
    """What has become of one computation that a run consists of."""

    node: str
    """Its id."""
    status: Literal["queued", "running", "finished"]
    waiting_for: str = ""
    """What it waits for while it is queued, in words; empty where that is not known."""


ProgressHook = Callable[[TransferProgress], None]
"""Is called after each part (8 MiB). What it raises ends the transfer."""


class Reporter:
    """Tells how far transfers are, in the one way that was chosen."""

    def __init__(self, way: bool | ProgressHook = False) -> None:
        """``way``: bars on standard error or not, or a function to call instead."""
        self._way = way

    @contextlib.contextmanager
    def transfer(self, direction: Direction, name: str, total: int | None) -> Iterator[Told]:
        """One transfer, which lasts as long as the block; what comes out is to be told of each piece."""
        if self._way is False:
            yield untold
        elif self._way is True:
            with tqdm(
                desc=f"{direction} {name}".strip(),
                total=total,
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
                file=sys.stderr,
                leave=False,
                delay=_DELAY,
                dynamic_ncols=True,
            ) as bar:
                yield partial(_moved, bar)
        else:
            yield _Count(self._way, direction, name, total).told


class _Count:
    """Turns pieces into sums, for a function that wants to know."""

    def __init__(self, hook: ProgressHook, direction: Direction, name: str, total: int | None) -> None:
        self._hook = hook
        self._last = TransferProgress(direction, name, 0, total)

    def told(self, size: int) -> None:
        last = self._last
        self._last = TransferProgress(last.direction, last.name, last.done + size, last.total)
        self._hook(self._last)


def _moved(bar: tqdm[Any], size: int) -> None:
    bar.update(size)


def reporter(environ: Mapping[str, str], wanted: bool | ProgressHook | None) -> Reporter:
    """The way that the caller wants, or else ``CLOISTER_PROGRESS`` (1 or 0), or else bars where standard error is a
    terminal.

    Raises:
        BadRequestError: ``wanted`` is none of these.
    """
    if wanted is not None:
        if not (isinstance(wanted, bool) or callable(wanted)):
            raise BadRequestError("progress must be True, False, or a function that takes a TransferProgress.")
        return Reporter(wanted)
    configured = environ.get("CLOISTER_PROGRESS", "").strip()
    if configured:
        return Reporter(configured != "0")
    return Reporter(sys.stderr is not None and sys.stderr.isatty())
