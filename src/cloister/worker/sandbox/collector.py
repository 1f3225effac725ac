"""Turn what a computation left in /output into a zip, trusting nothing about it.

Threat: an output made to reach beyond itself. A link to a host file, a FIFO that blocks its reader for ever, a device,
a name that escapes from the folder it is unpacked in or plays with a terminal, a set-id bit, a folder nobody may read,
a sparse file of a terabyte. So files are opened below /output only, through no link, never blocking; only regular
files with one name are taken, and of them only bytes and a checked name.

What is there and isn't wanted is refused, not left out: a result that silently lacks a file would mislead. The error
says what kind of thing it was, never its name, which could carry data.

The zip depends on names and bytes alone: sorted, with fixed times and modes.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloister.errors import EnclaveError
from cloister.rooms.limits import Limits
from cloister.worker import linux

CHUNK = 1024 * 1024
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can say."""
_MAX_DEPTH = 64
_MAX_NAME_BYTES = 240
_MAX_PATH_BYTES = 1024
_MODE = stat.S_IFREG | 0o644
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class _Entry:
    path: bytes
    """Relative to the output folder."""
    size: int


def collect(
    output: Path, limits: Limits, extra: Mapping[str, bytes] | None = None, *, without: str = ""
) -> Iterator[bytes]:
    """The zip of everything in the folder `output`, in chunks, using memory for a few of them at a time.

    The folder must not change meanwhile: its container has ended.

    Args:
        extra: further files by name, such as the log.
        without: a folder in it that is left out.

    Raises:
        EnclaveError: at the call, before any chunk: something in there can't be collected, or is too much. The message
            holds nothing that the script chose but the kind of its mistake.
    """
    try:
        root = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise EnclaveError("The output lacks a folder that it should have. Run the computation again.") from None
    try:
        entries = _scan(root, limits, without)
        more = dict(extra or {})
        for name in more:
            if any(entry.path == name.encode() or entry.path.startswith(f"{name}/".encode()) for entry in entries):
                raise EnclaveError(
                    f"The output has its own {name}, a name that Cloister uses. Write it under another name."
                )
    except BaseException:
        os.close(root)
        raise
    return _zip(root, entries, more)


def _scan(root: int, limits: Limits, without: str) -> list[_Entry]:
    entries: list[_Entry] = []
    count, total = 0, 0
    pending: list[tuple[bytes, int]] = [(b"", 0)]
    while pending:
        folder, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise EnclaveError(f"The output has folders nested more than {_MAX_DEPTH} deep. Make it flatter.")
        descriptor = linux.open_beneath(root, folder or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with os.scandir(descriptor) as found:
                for item in found:
                    count += 1
                    if count > limits.output_files:
                        raise EnclaveError(
                            f"The output exceeds its limit on output files ({limits.output_files} files and folders). "
                            "Write fewer, for instance into one archive."
                        )
                    path = _checked(folder, os.fsencode(item.name))
                    facts = item.stat(follow_symlinks=False)
                    if stat.S_ISDIR(facts.st_mode):
                        if path == without.encode():
                            continue
                        pending.append((path, depth + 1))
                        continue
                    _check_kind(facts)
                    total += facts.st_size
                    if total > limits.output_bytes:
                        raise EnclaveError(
                            f"The output exceeds its limit on output size ({limits.output_bytes} bytes). Write less."
                        )
                    entries.append(_Entry(path, facts.st_size))
        finally:
            os.close(descriptor)
    return sorted(entries, key=lambda entry: entry.path)


def _checked(folder: bytes, name: bytes) -> bytes:
    path = folder + b"/" + name if folder else name
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise EnclaveError("The output has a file whose name is not valid UTF-8. Name files in UTF-8.") from None
    if len(name) > _MAX_NAME_BYTES or len(path) > _MAX_PATH_BYTES:
        raise EnclaveError(
            f"The output has a file whose name is too long. Keep names to {_MAX_NAME_BYTES} bytes, "
            f"and to {_MAX_PATH_BYTES} with the names of their folders."
        )
    # Control characters, invisible formatting (which can turn names around), private use, line separators.
    if "\\" in text or any(unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp") for sign in text):
        raise EnclaveError(
            "The output has a file whose name holds a control character, an invisible character or a backslash. "
            "Use letters, digits and plain punctuation."
        )
    return path


def _check_kind(facts: os.stat_result) -> None:
    for is_kind, words in _KINDS:
        if is_kind(facts.st_mode):
            raise EnclaveError(
                f"The output holds {words}. Only regular files and folders can be collected: write a file instead."
            )
    if not stat.S_ISREG(facts.st_mode):
        raise EnclaveError("The output holds something that is neither a file nor a folder. Write files only.")
    if facts.st_nlink != 1:
        raise EnclaveError("The output holds a file with several names (hard links). Write a copy instead.")


class _Sink(io.RawIOBase):
    """Where zipfile writes to: it can't seek, so that nothing has to be kept."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _zip(root: int, entries: list[_Entry], extra: Mapping[str, bytes]) -> Iterator[bytes]:
    try:
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for entry in entries:
                with archive.open(_info(entry.path.decode(), entry.size), "w") as member:
                    for piece in _contents(root, entry):
                        member.write(piece)
                        if written := sink.take():
                            yield written
            for name in sorted(extra):
                archive.writestr(_info(name, len(extra[name])), extra[name])
        yield sink.take()
    finally:
        os.close(root)


def _info(name: str, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix: the mode below counts
    info.external_attr = _MODE << 16
    info.file_size = size  # decides on ZIP64
    return info


def _contents(root: int, entry: _Entry) -> Iterator[bytes]:
    try:
        descriptor = linux.open_beneath(root, entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise EnclaveError(f"The output could not be read ({errno.errorcode.get(error.errno or 0, '?')}).") from None
    with io.FileIO(descriptor, "rb") as file:
        _check_kind(os.fstat(descriptor))
        left = entry.size
        while left:
            piece = file.read(min(CHUNK, left))
            if not piece:
                raise EnclaveError("The output changed while it was collected. Run the computation again.")
            left -= len(piece)
            yield piece
