"""Errors whose message the analyst may read.

Of an uncaught exception the analyst sees where it came from and its class; its message is withheld, as messages tend to
quote data. A `SafeError` says of itself what may be shown. It is shown only where the script or one of its additional
files has the word `SafeError` or `catch_safe_error` in it: then everybody who read the script before attaching data
could know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


class SafeError(Exception):
    """An error that is safe to show: whoever raises it sees to it that its text says nothing of the data."""

    def safe_str(self) -> str:
        """What is shown, 1000 characters at most; override it to show less than the error's own text."""
        return str(self)


@contextmanager
def catch_safe_error(transform_library_path: Sequence[Callable[[str], str]] = ()) -> Iterator[None]:  # noqa: ARG001
    """Marks the part of a script whose safe errors may be shown. Errors pass through it and end the script.

    ``transform_library_path`` is accepted for older scripts; the paths that are shown are those of the container.
    """
    yield
