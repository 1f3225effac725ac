"""The secret that two parts share, as its file holds it."""

from __future__ import annotations

from pathlib import Path

from cloister.errors import CloisterError

_SECRET_CHARACTERS = 32


def read_secret(file: Path) -> str:
    """What a file of one line holds, where that can be a secret that two parts share.

    Raises:
        CloisterError: it can't be read, is short, or holds what no header can.
    """
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise CloisterError(
            f"The secret in {file} can't be read. It is a file with one line of letters and digits."
        ) from None
    if len(text) < _SECRET_CHARACTERS or not text.isprintable() or " " in text:
        raise CloisterError(
            f"The secret in {file} is none: it takes one line of {_SECRET_CHARACTERS} letters and digits at least. "
            f"Make one: openssl rand -hex 32 > {file}"
        )
    return text
