"""A file that is written once and kept: keys, and names that others rely on."""

from __future__ import annotations

import contextlib
import os
import secrets
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


def kept(file: Path, content: bytes) -> bytes:
    """What ``file`` holds; ``content`` is put there first if it doesn't exist.

    Readable by this user alone. Whole or not at all, and the same for all who do this at once.

    Raises:
        OSError: it can't be read or written.
    """
    if not file.exists():
        draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            # Unlike renaming, this fails where another process was first, whose file then counts.
            with contextlib.suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink()
    return file.read_bytes()
