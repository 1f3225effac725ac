"""Memory-backed folders for plaintext, and the directory of a worker's runs with its clean-up.

Threat: plaintext that outlives its task, on a disk, in swap, or in a mount that a killed worker left behind.
Folders are tmpfs mounted `noswap`, limited in bytes and in files. A kernel older than 6.4 doesn't know `noswap`; it
will do only while it has no swap space at all.

Threat: another user of the machine who reads along. Folders can be entered by root, and by the group that the
container's root is mapped to, which is nobody else's.

Threat: plaintext that is larger than the machine's memory. It would take all there is, and the kernel would kill whom
it likes. So memory is claimed first (budget.py); what doesn't fit lies encrypted on a disk (encrypted.py), where that
can be, or is noticed when it is written.

Everything lies below one directory per worker, which the worker holds locked while it lives. So a later one
can tell what is nobody's any more, and remove it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloister.errors import SandboxUnavailable
from cloister.worker import linux

PAGE = 4096
PRIVATE = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
_NAME = re.compile("[0-9a-f]{16}")


def has_swap(proc_swaps: str) -> bool:
    """Whether the text of /proc/swaps names any swap space."""
    return len(proc_swaps.splitlines()) > 1


def free_memory(meminfo: str | None = None) -> int:
    """How many bytes could be taken before the machine runs out, by the text of /proc/meminfo."""
    for line in (meminfo or Path("/proc/meminfo").read_text()).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise SandboxUnavailable("This kernel does not say how much memory is free. Use Linux 5.10 or later.")


def mount_memory(target: Path, *, size_bytes: int, files: int, mode: int, flags: int) -> None:
    """Mount an empty memory file system that isn't swapped out, at the existing folder `target`.

    Args:
        size_bytes: rounded up to whole pages of 4096; every file takes whole pages too.
        files: files, folders, and further names of either, not counting the root.
        mode: permission bits of its root.
        flags: MS_ flags of mount(2).

    Raises:
        SandboxUnavailable: the kernel would swap it out.
    """
    _mount_unswapped(target, flags, f"{_size_options(size_bytes, files)},mode={mode:04o}")


def resize_memory(target: Path, *, size_bytes: int, files: int, flags: int) -> None:
    """Change what the memory file system mounted at `target` may hold, also where others see it; see `mount_memory`.

    Raises:
        OSError: it holds more already.
    """
    _mount_unswapped(target, flags | linux.MS_REMOUNT, _size_options(size_bytes, files))


def _size_options(size_bytes: int, files: int) -> str:
    pages = max(1, -(-size_bytes // PAGE))
    return f"size={pages * PAGE},nr_inodes={files + 1}"


def _mount_unswapped(target: Path, flags: int, options: str) -> None:
    try:
        linux.mount("tmpfs", target, "tmpfs", flags, options + ",noswap")
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        if has_swap(Path("/proc/swaps").read_text()):
            raise SandboxUnavailable(
                "This kernel would swap data in memory out to disk. "
                "Turn swap off (swapoff -a), or use Linux 6.4 or later."
            ) from None
        linux.mount("tmpfs", target, "tmpfs", flags, options)


class Directory:
    """One worker's own folder below `base`, locked while it lives.

    Any user can pass the way to it, though not list it: a container's mapped root has to.
    """

    def __init__(self, base: Path) -> None:
        """Make it.

        Raises:
            SandboxUnavailable: `base` can't be used.
        """
        try:
            base.mkdir(mode=0o711, parents=True, exist_ok=True)
            _check_passable(base)
            self.path, self._lock = _locked_folder(base)
        except PermissionError as error:
            raise SandboxUnavailable(f"{base} can't be used ({error.strerror}); start the worker as root.") from error

    def new_folder(self, for_group: int | None = None) -> Path:
        """A fresh folder in it that root may enter; and the group, if given, may pass.

        No other user can, although the machine's mount table tells everybody its name.
        """
        folder = self.path / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        if for_group is not None:
            os.chown(folder, 0, for_group)
            folder.chmod(0o710)
        return folder

    @contextmanager
    def memory_folder(self, size_bytes: int, files: int) -> Iterator[Path]:
        """An empty folder in memory that is never swapped out.

        Holds at most `size_bytes` (every file rounded up to 4096) and `files` files and folders; more is OSError
        with ENOSPC. Emptied, unmounted and removed at the end.
        """
        with self.mount_point() as place:
            mount_memory(place, size_bytes=size_bytes, files=files, mode=0o755, flags=PRIVATE)
            yield place

    @contextmanager
    def mount_point(self) -> Iterator[Path]:
        """An empty folder that nobody but root can get at. What is mounted there is unmounted at the end."""
        folder = self.new_folder()
        try:
            inner = folder / "files"
            inner.mkdir()
            yield inner
        finally:
            clear(folder)

    def close(self) -> None:
        """Remove it and let go of the lock."""
        clear(self.path)
        os.close(self._lock)


def _locked_folder(base: Path) -> tuple[Path, int]:
    while True:
        folder = base / secrets.token_hex(8)
        folder.mkdir(mode=0o711)
        folder.chmod(0o711)  # whatever the umask says
        lock = _try_lock(folder)
        if lock is not None and folder.exists():
            return folder, lock
        # Somebody swept it between its making and its locking; the next one is as good.
        if lock is not None:
            os.close(lock)


def _try_lock(folder: Path) -> int | None:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _check_passable(base: Path) -> None:
    for folder in (base, *base.parents):
        if not folder.stat().st_mode & 0o001:
            raise SandboxUnavailable(
                f"{folder} can't be passed by other users, so no container could reach {base}. "
                "Use the default, /run/cloister/sandboxes."
            )


def mount_points(mountinfo: str, below: Path) -> list[Path]:
    """The mount points at or below a folder, deepest and latest first, from the text of /proc/self/mountinfo."""
    found = []
    for line in mountinfo.splitlines():
        # proc(5): space, tab, newline and backslash are octal escapes.
        text = line.split(" ")[4].encode().decode("unicode_escape").encode("latin-1")
        point = Path(os.fsdecode(text))
        if point == below or below in point.parents:
            found.append(point)
    # Reversed stably: of two mounts at one place, the later, which hides the other, comes first.
    return sorted(found, key=lambda point: len(point.parts))[::-1]


def clear(folder: Path) -> None:
    """Unmount everything at or below `folder`, and remove it. Fine if it is gone already."""
    for point in mount_points(Path("/proc/self/mountinfo").read_text(), folder):
        with contextlib.suppress(FileNotFoundError):
            linux.unmount(point)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def abandoned(base: Path) -> Iterator[Path]:
    """The directories below `base` whose worker lives no more, each locked while the caller holds it."""
    if not base.is_dir():
        return
    for folder in sorted(base.iterdir()):
        lock = _try_lock(folder) if _NAME.fullmatch(folder.name) else None
        if lock is None:
            continue
        try:
            yield folder
        finally:
            os.close(lock)
