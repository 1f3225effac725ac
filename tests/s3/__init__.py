"""An S3 server as tests use it: a process with a bucket, that can be stopped and started."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import obstore
from obstore.store import S3Store

from cloister.cli.operators.process import end_with_parent

SECONDS = 60
BUCKET = "blobs"


class S3Server:
    """Runs from the start of the block to its end."""

    def __init__(self, address: str = "127.0.0.1", tls: tuple[Path, Path] | None = None) -> None:
        """``tls``: a certificate and its key; HTTP without them."""
        self._address = address
        self._tls = tls or ()
        # Objects have their facts in extended attributes, which not every temporary folder's file system keeps.
        self._folder = Path(tempfile.mkdtemp(prefix="cloister-s3-"))
        self.access_key = "tests:cloister"
        self.secret_key = secrets.token_hex(16)
        self.port = _free_port()
        self.endpoint = f"{'https' if tls else 'http'}://{address}:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        # Nobody else has its key yet.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        signed = obstore.sign(self.store(), "PUT", "", timedelta(minutes=1))
        made = httpx.put(signed, verify=context, trust_env=False)
        assert made.status_code == 200, made.text
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Starts it, with what it had before, and waits until it listens."""
        assert self._process is None
        with (self._folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    Path(__file__).with_name("server.py"),
                    self._folder,
                    self._address,
                    str(self.port),
                    self.access_key,
                    self.secret_key,
                    *self._tls,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=partial(end_with_parent, os.getpid()),
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n", (self._folder / "errors").read_text()

    def stop(self) -> None:
        """Ends it at once, as a crash does."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """What a hub needs in its environment besides ``s3://`` and the bucket."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": endpoint or self.endpoint,
            "AWS_ALLOW_HTTP": "true",
        }

    def store(self) -> S3Store:
        """The bucket, as whoever owns it sees it."""
        return S3Store(
            BUCKET,
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            region="us-east-1",
            endpoint=self.endpoint,
            client_options={"allow_http": True},
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
