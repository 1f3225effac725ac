"""Mount an image's file once on a machine, for however many workers use it, and unmount it after the last.

Users hold a shared lock on a file beside the mount point. The kernel drops it when a process dies, however it
dies; so the next one to close finds out whether it was the last. Mounting and unmounting happen under a second,
exclusive lock of the folder, so that nobody mounts what somebody else is just unmounting.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cloister.errors import ImageUnavailable
from cloister.worker import linux

_FLAGS = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV


@contextmanager
def holding(lock: Path, *, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock on the file ``lock``, made if needed; ``on_wait`` is called before waiting."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Mount:
    """A share in a mounted file system."""

    def __init__(self, root: Path, guard: Path, users: int) -> None:
        self.root = root
        self._guard = guard
        self._users = users
        self._kept = False

    def keep(self) -> Mount:
        """Keep it beyond the ``with`` of `of`; then `release` must be called."""
        self._kept = True
        return self

    def release(self) -> None:
        """Give up the share; the last one unmounts."""
        with holding(self._guard):
            self._release()

    def _release(self) -> None:
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # somebody else still uses it
        else:
            if os.path.ismount(self.root):
                linux.unmount(self.root)
            self.root.rmdir()
            _users_of(self.root).unlink()
        finally:
            os.close(self._users)

    @classmethod
    @contextmanager
    def of(cls, file: Path, root: Path) -> Iterator[Mount]:
        """A share in ``file`` mounted at ``root``; nobody else gets one until the ``with`` ends.

        Released when the ``with`` ends, unless `keep` was called within. Raises `ImageUnavailable`.
        """
        guard = root.with_name("guard")
        with holding(guard):
            root.mkdir(exist_ok=True)
            users = os.open(_users_of(root), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(users, fcntl.LOCK_SH)
            share = cls(root, guard, users)
            try:
                if not os.path.ismount(root):
                    _mount(file, root)
                yield share
            finally:
                if not share._kept:
                    share._release()


def _users_of(root: Path) -> Path:
    return root.with_name(root.name + ".users")


def can_mount(file: Path, trial: Path) -> bool:
    """Whether this process may mount ``file`` here: found out by doing it, at the new folder ``trial``."""
    trial.mkdir()
    try:
        _mount(file, trial)
    except ImageUnavailable:
        return False
    linux.unmount(trial)
    return True


def _mount(file: Path, root: Path) -> None:
    try:
        source = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageUnavailable(f"the image's file {file} can't be read: {error.strerror}; build it again") from error
    try:
        # From Linux 6.12 on erofs mounts a file directly. Named by its descriptor: what is mounted shows the
        # source to everybody who reads mountinfo, containers included.
        linux.mount(f"/proc/self/fd/{source}", root, "erofs", _FLAGS)
        return
    except OSError:
        pass
    finally:
        os.close(source)
    loop = ["mount", "-t", "erofs", "-o", "ro,loop,nosuid,nodev", str(file), str(root)]
    result = subprocess.run(loop, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        raise ImageUnavailable(
            f"the image's file {file} can't be mounted: {result.stderr.strip()}. Run the worker as root, or, where "
            "mounting is not allowed at all, build the image again here: cloister image build --rebuild NAME"
        )
