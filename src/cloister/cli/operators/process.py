"""What every server process does the same way: say that it is ready, inherit sockets, keep the lock."""

from __future__ import annotations

import ctypes
import os
import signal
import socket

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def notify_ready() -> None:
    """Tells whoever started this process that it serves: sd_notify(3), where NOTIFY_SOCKET says to. Once: workers
    find out over and over."""
    address = os.environ.pop("NOTIFY_SOCKET", None)
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        notify.sendto(b"READY=1", address)


def inherited_socket(descriptor: int) -> socket.socket:
    """A listening socket that the parent process has opened."""
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def keep_lock(descriptor: int | None) -> None:
    """Keeps the installation's lock, which the parent holds, for as long as this process lives, and from its own
    children."""
    if descriptor is not None:
        os.set_inheritable(descriptor, False)


def end_with_parent(parent: int) -> None:
    """In a child, before exec: SIGTERM when the parent (its process id) dies, however it dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)  # it died before the kernel was told
