"""Where a command puts a file: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cloister.errors import BadRequestError


@dataclass(frozen=True)
class Destination:
    """A file, or standard output."""

    path: Path | None

    @classmethod
    def of(cls, output: str | None, name: str, *, as_json: bool = False) -> Destination:
        """What ``--output`` says; without it, ``name`` in this folder, where there is no such file yet.

        Raises:
            BadRequestError: that can't be written.
        """
        if output == "-":
            if as_json:
                raise BadRequestError("Standard output can't have both JSON and the file. Name a file with -o.")
            return cls(None)
        path = Path(output or name)
        if output is None and path.exists():
            raise BadRequestError(f"{path} is there already. Name another file, or this one, with -o.")
        if path.is_dir() or (output or "").endswith(os.sep):
            path /= name
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise BadRequestError(f"{path} can't be written: there is no folder {path.absolute().parent}.")
        return cls(path)

    @property
    def shown(self) -> str:
        """For messages."""
        return "standard output" if self.path is None else str(self.path)

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """A file to write to. It takes its place once the block has ended without an error."""
        if self.path is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            with draft.open("xb") as into:
                yield into
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)
