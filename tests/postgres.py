"""A PostgreSQL server of the tests' own: a real one, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psycopg
from psycopg import sql

from cloister.cli.operators.process import end_with_parent
from tests.ports import free_port

SECONDS = 60
_READY = "database system is ready to accept connections"


class PostgresServer:
    """Runs from the start of the block to its end, and can be stopped and started in between."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._address = address
        self._programs = _programs()
        # The server refuses to run as root, and another user can't look into the folders that pytest makes.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="cloister-postgres-"))
        self.password = secrets.token_hex(16)
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._databases = 0
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)

    def __enter__(self) -> Self:
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)
        subprocess.run(
            [
                self._programs / "initdb",
                f"--pgdata={self._folder / 'data'}",
                "--username=owner",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self._folder,
        )
        with (self._folder / "data/pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\n")
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Starts the server and waits until it takes connections."""
        assert self._process is None
        settings = {
            "port": str(self.port),
            "listen_addresses": self._address,
            "unix_socket_directories": "",
            "lc_messages": "C",
            # The machine doesn't lose power during tests; the server may be killed all the same.
            "fsync": "off",
        }
        self._process = subprocess.Popen(
            [
                self._programs / "postgres",
                "-D",
                self._folder / "data",
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            user=self._user,
            cwd=self._folder,
            preexec_fn=partial(end_with_parent, os.getpid()),
        )
        ready = threading.Event()
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=_read, args=(self._process.stderr, ready), daemon=True)
        self._reader.start()
        assert ready.wait(SECONDS)
        assert self._process.poll() is None, "the database server did not start"

    def stop(self) -> None:
        """Ends it at once, as a crash does, with all connections."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(SECONDS)
        assert self._reader is not None
        self._reader.join(SECONDS)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def fresh(self) -> str:
        """The URL of a database that is empty."""
        self._databases += 1
        name = f"test_{self._databases}"
        with self.connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://owner:{self.password}@{self._address}:{self.port}/{database}"

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """A connection as whoever runs the database has it."""
        return psycopg.connect(self.url(database), autocommit=True)

    def end_connections(self) -> None:
        """Ends all connections but this one, in the middle of whatever they do."""
        with self.connect("postgres") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def end_lock_holders(self, url: str) -> None:
        """Ends the connections that hold an advisory lock of this database."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )


def _read(stream: IO[str], ready: threading.Event) -> None:
    for line in stream:
        if _READY in line:
            ready.set()
    ready.set()


def _programs() -> Path:
    """Where the newest of Debian's versions has its programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    assert found, "PostgreSQL is not installed; setup/setup installs it"
    return found[-1]
