"""A file that is written once and kept: keys, and names that others rely on."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


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
