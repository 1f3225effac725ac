"""The few Linux system calls that Python's standard library lacks: thin, typed, raising OSError."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import threading
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND = 32, 4096
MS_REC, MS_PRIVATE = 0x4000, 0x40000
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_PR_SET_CHILD_SUBREAPER = 36

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x01, 0x02, 0x04, 0x08
_SYS_OPENAT2 = 437  # the same on every architecture: newer than their unification


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(result, f"mount {kind or 'bind'} at {target}")


def unmount(target: Path) -> None:
    """umount2(2), detaching: the name is free at once, the mount goes with its last user."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW), f"unmount {target}")


def become_subreaper() -> None:
    """Make orphaned descendants children of this process, so that it can wait for them. See prctl(2)."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl PR_SET_CHILD_SUBREAPER")


def enter_private_mounts() -> None:
    """Give the calling thread, and what it starts from now on, a mount table of its own.

    What is mounted in it is seen by nobody else, and is gone when its last process is, even by `kill -9`.
    """
    _check(_libc.unshare(_CLONE_NEWNS), "unshare the mount table")
    mount("none", Path("/"), "", MS_REC | MS_PRIVATE)


def listen_in_network_of(process: int, port: int) -> socket.socket:
    """A socket that listens on the loopback address of another process's network, with this process at its other end.

    A socket stays in the network that it was made in, whoever uses it: nothing else of the two networks meets.
    """
    made: list[socket.socket | OSError] = []

    def listen() -> None:
        # In a thread of its own, which ends with this: a network is a thread's.
        try:
            namespace = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _check(_libc.setns(namespace, _CLONE_NEWNET), "enter a container's network")
            finally:
                os.close(namespace)
            made.append(socket.create_server(("127.0.0.1", port)))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=listen, name="listen")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def open_beneath(directory: int, path: bytes, flags: int) -> int:
    """Open `path` below the open folder `directory`; no link, mount or `..` leads anywhere else (openat2(2))."""
    how = struct.pack(
        "QQQ",
        flags | os.O_CLOEXEC,
        0,
        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    )
    result = _libc.syscall(ctypes.c_long(_SYS_OPENAT2), ctypes.c_int(directory), path, how, ctypes.c_size_t(len(how)))
    return _check(result, "open below a folder")


def machine() -> str:
    """The architecture as the kernel names it: `x86_64`, `aarch64`."""
    return platform.machine()
