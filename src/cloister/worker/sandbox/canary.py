"""Runs inside a container to see whether its walls stand; see probe.py.

Told to `sing`, it prints what it saw, then takes more memory than it may have. Told to `swarm`, it only takes more
processes than it may have.
"""

# It attempts things: how tidily does not matter, how fast does.
# ruff: noqa: PTH123, PTH208, S108, SIM115

import ctypes
import json
import os
import socket
from collections.abc import Callable


def line() -> bytes:
    text = b""
    while (byte := os.read(0, 1)) not in (b"\n", b""):
        text += byte
    return text


line()
os.write(3, b"ready\n")
told = line()

libc = ctypes.CDLL(None, use_errno=True)
got: list[str] = []
missed: list[str] = []


def attempt(what: str, action: Callable[[], object]) -> None:
    try:
        result = action()
    except OSError:
        return
    if result != -1:
        got.append(what)


def forks(most: int) -> int:
    """How many children it gets."""
    count = 0
    read, write = os.pipe()
    try:
        while count < most:
            if os.fork() == 0:
                os.close(write)
                os.read(read, 1)
                os._exit(0)
            count += 1
    except OSError:
        pass
    os.close(write)
    for _ in range(count):
        os.wait()
    os.close(read)
    return count


if told == b"swarm":
    os.write(1, str(forks(2000)).encode())
    os._exit(0)
attempt("open a socket to its host (AF_VSOCK)", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("open a netlink socket", lambda: socket.socket(16, socket.SOCK_RAW))
attempt("reach a network", lambda: socket.socket(2, socket.SOCK_DGRAM).connect(("192.0.2.1", 9)))
attempt("make a user namespace", lambda: libc.unshare(0x10000000))
attempt("make a file in its root", lambda: open("/made", "w"))
attempt("write to its input", lambda: open("/input/made", "w"))
attempt("read /sys", lambda: -1 if not os.listdir("/sys") else 0)
try:
    socket.socket(2, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
except OSError:
    missed.append("use its own loopback network")
for folder in ("/output", "/tmp", "/scratch", "/dev/shm"):
    try:
        with open(folder + "/made", "w") as file:
            file.write("made")
    except OSError:
        missed.append("write to " + folder)
if told == b"sing" and forks(40) > 20:
    got.append("have more processes than its limit")

with open("/proc/self/status") as file:
    status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
with open("/proc/self/mountinfo") as file:
    mountinfo = file.read()
with open("/proc/self/uid_map") as file:
    uid_map = file.read()
keys = ("NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
seen = {name: status[name] for name in keys if name in status}
sighting = {"mountinfo": mountinfo, "status": seen, "uid_map": uid_map, "got": got, "missed": missed}
os.write(1, json.dumps(sighting).encode())

held = []
for _ in range(4096):
    held.append(bytearray(os.urandom(1 << 10)) * 1024)
