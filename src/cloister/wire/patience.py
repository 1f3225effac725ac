"""Trying again: only what failed for want of a connection, a bounded number of times, with growing pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from cloister.errors import ServerError, TimedOut

T = TypeVar("T")

LONG_LIVED = 10.0
"""Seconds after which a connection that broke is taken to have been a good one: counting starts anew."""
LONG_SILENT = 180.0
"""The same for one that ended in silence: that takes a minute or two to be noticed, good or not."""
LONGEST_PAUSE = 30.0
"""Seconds, of what the other side asks to wait. Where it asks for more, trying again fails at once, and says so."""
_MORE_PAUSES = 6


class Unavailable(ServerError):
    """The hub or the enclave could not be reached, or broke off: the same request may succeed later."""

    def __init__(self, message: str, *, retry_after: float = 0.0, silent: bool = False) -> None:
        """``retry_after``: seconds that the other side asks to wait. ``silent``: whether nothing came for too long."""
        super().__init__(message)
        self.retry_after = retry_after
        self.silent = silent


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock (seconds), or never."""

    at: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """That many seconds from now; None for never."""
        return cls(None if seconds is None else time.monotonic() + seconds)

    def remaining(self) -> float | None:
        """Seconds left, zero at least; None where there is no end."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def check(self) -> None:
        """Raises:
        TimedOut: the moment has come.
        """
        if self.remaining() == 0.0:
            raise TimedOut(
                "The time given for waiting is over. What was started goes on: ask for its result later, or with a "
                "longer timeout."
            )


NEVER = Deadline()


@dataclass(frozen=True)
class Patience:
    """How often, and after which pauses (seconds), something is tried again."""

    pauses: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def longer(self) -> Patience:
        """For what gives up dearly, as transfers do: the last pause some more times, a minute in all by default. A
        network that isn't there fails at once, without a timeout to wait for."""
        return replace(self, pauses=self.pauses + self.pauses[-1:] * _MORE_PAUSES)

    def run(self, action: Callable[[], T], deadline: Deadline = NEVER) -> T:
        """Calls ``action`` until it doesn't raise `Unavailable`, or for the last time, or until the deadline.

        Raises:
            TimedOut: the deadline has come.
        """
        pauses = iter(self.pauses)
        while True:
            deadline.check()
            started = self.monotonic()
            try:
                return action()
            except Unavailable as error:
                deadline.check()
                if self.monotonic() - started >= (LONG_SILENT if error.silent else LONG_LIVED):
                    pauses = iter(self.pauses)
                pause = next(pauses, None)
                if pause is None:
                    raise
                asked = min(error.retry_after, LONGEST_PAUSE)
            left = deadline.remaining()
            self.sleep(max(pause, asked) if left is None else min(left, max(pause, asked)))
