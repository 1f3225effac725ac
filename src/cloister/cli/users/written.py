"""Where a table's bytes go: counted, and made harmless where a person sees them."""

from __future__ import annotations

import codecs
from typing import IO

from cloister.cli.shown import plain


class Counted:
    """Writes on, and counts."""

    def __init__(self, into: IO[bytes]) -> None:
        self._into = into
        self.count = 0

    def write(self, piece: bytes) -> int:
        self.count += len(piece)
        return self._into.write(piece)


class Seen(Counted):
    """Writes on for a terminal: what computations have made of other people's data gives it no orders."""

    def __init__(self, into: IO[bytes]) -> None:
        super().__init__(into)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, piece: bytes) -> int:
        self.count += len(piece)
        self._into.write(plain(self._decoder.decode(piece), keep="\n").encode())
        return len(piece)
