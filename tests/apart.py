"""The parts of Cloister as their operators start them, each a process of its own, by `cloister hub` and the like."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 30


@dataclass
class Part:
    """One running part."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    """What it wrote to standard error."""
    _news: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Waits until it has ended; its exit code."""
        code = self.process.wait(STOP_SECONDS)
        assert self._reader is not None
        self._reader.join(STOP_SECONDS)
        return code

    def stop(self) -> int:
        """Ends it, in order; its exit code."""
        if self.process.poll() is None:
            self.signal()
        return self.ended()

    def said(self, words: str, since: int = 0) -> bool:
        """Whether a line has these words, but for so many at the beginning."""
        return any(words in line for line in self.log[since:])

    def until_said(self, words: str, since: int = 0) -> int:
        """Waits until a line has these words; how many lines there were then.

        Args:
            since: lines at the beginning that don't count.
        """
        with self._news:
            assert self._news.wait_for(lambda: self.said(words, since), START_SECONDS), words
            return len(self.log)


@contextlib.contextmanager
def part(*words: str | Path, environment: Mapping[str, str] | None = None) -> Iterator[Part]:
    """`cloister WORDS`, from when it says that it is ready; killed at the end where it still runs."""
    name = f"cloister-test-{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(f"\0{name}")
        ready.settimeout(START_SECONDS)
        process = subprocess.Popen(
            [sys.executable, "-m", "cloister.cli", *map(str, words)],
            env={**os.environ, **(environment or {}), "NOTIFY_SOCKET": f"@{name}"},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running = Part(process)
        running._reader = threading.Thread(target=_drain, args=(running, f"\0{name}"), daemon=True)
        running._reader.start()
        try:
            if b"READY=1" not in ready.recv(4096):
                raise AssertionError("not ready:\n" + "".join(running.log[-40:]))
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            running.ended()


def _drain(running: Part, ready: str) -> None:
    """Reads what it says; whoever waits for it to be ready is told when it has ended instead."""
    stream = running.process.stderr
    assert stream is not None
    with stream:
        for line in stream:
            with running._news:
                running.log.append(line)
                running._news.notify_all()
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(b"ENDED", ready)
