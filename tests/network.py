"""Hosts with addresses of their own, on networks that exist nowhere else: real links, which can be cut and healed.

Each host is a network namespace that belongs to a thread, and to the processes that were started from it; there is
nothing to clean up, whatever ends the tests, and nothing of this machine's own network is touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


class Host:
    """A machine, as far as networks go. Its address on each network it is plugged into is ``10.77.NETWORK.PLACE``."""

    def __init__(self, place: int) -> None:
        self._place = place
        self._ports: list[str] = []
        self._thread = ThreadPoolExecutor(1)
        self._namespace = self.do(_enter_new_namespace)
        self.run("ip", "link", "set", "lo", "up")

    def do(self, action: Callable[[], T]) -> T:
        """Does something on this host: what it connects to, listens on, and starts, is there."""
        return self._thread.submit(action).result()

    def run(self, *words: str) -> None:
        """Runs a command on this host."""
        self.do(lambda: subprocess.run(words, check=True))

    def address(self, network: int) -> str:
        """Its address on that network."""
        return f"10.77.{network}.{self._place}"

    def leave(self) -> None:
        """Ends it; its namespace goes with the last process there."""
        self._thread.shutdown()


class Switch(Host):
    """What hosts are plugged into: some networks, with no way from one to another."""

    def __init__(self, networks: Sequence[int]) -> None:
        super().__init__(0)
        self._hosts: list[Host] = []
        for network in networks:
            self.run("ip", "link", "add", _bridge(network), "type", "bridge")
            self.run("ip", "link", "set", _bridge(network), "up")

    def plug(self, *networks: int, serves: bool = True, megabits: int | None = None) -> Host:
        """A new host on these networks.

        Args:
            serves: whether others may connect to it; two that don't can't even see each other.
            megabits: a second, each way.
        """
        host = Host(len(self._hosts) + 1)
        self._hosts.append(host)
        for network in networks:
            port, inner = f"h{len(self._hosts)}n{network}", f"net{network}"
            host._ports.append(port)
            self.run("ip", "link", "add", port, "type", "veth", "peer", "name", inner, "netns", host._namespace)
            self.run("ip", "link", "set", port, "master", _bridge(network), "up")
            host.run("ip", "address", "add", f"{host.address(network)}/24", "dev", inner)
            host.run("ip", "link", "set", inner, "up")
            if not serves:
                self.run("bridge", "link", "set", "dev", port, "isolated", "on")
                host.run("iptables", "-A", "INPUT", "-i", inner, "-p", "tcp", "--syn", "-j", "DROP")
            if megabits is not None:
                shape = ("root", "tbf", "rate", f"{megabits}mbit", "burst", "256kb", "latency", "200ms")
                host.run("tc", "qdisc", "add", "dev", inner, *shape)
                self.run("tc", "qdisc", "add", "dev", port, *shape)
        return host

    def cut(self, host: Host) -> None:
        """Nothing comes from there or gets there any more; nobody is told."""
        self._set(host, "0")

    def heal(self, host: Host) -> None:
        """What was cut works again."""
        self._set(host, "3")

    @contextlib.contextmanager
    def without(self, host: Host) -> Iterator[None]:
        """Cut off while the block lasts."""
        self.cut(host)
        try:
            yield
        finally:
            self.heal(host)

    def _set(self, host: Host, state: str) -> None:
        for port in host._ports:
            self.run("bridge", "link", "set", "dev", port, "state", state)

    def leave(self) -> None:
        for host in self._hosts:
            host.leave()
        super().leave()


def _bridge(network: int) -> str:
    return f"bridge{network}"


def _enter_new_namespace() -> str:
    """Moves this thread into a network namespace of its own; where that is to be found."""
    if _LIBC.unshare(_CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"
