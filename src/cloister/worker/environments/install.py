"""Resolve and install in containers: from requirements to a lock, and from a lock to a folder of packages.

Only wheels are used, so nothing of a package is run: its metadata is read, and its files are unpacked. That happens in
a container like any script's all the same, since the files are anybody's. It has no inputs and no keys, and it is not
the one in which a script meets data later.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from cloister.errors import DefinitionInvalid, EnclaveError
from cloister.rooms.environments import LockedPackage, plain_requirements
from cloister.rooms.limits import Limits
from cloister.worker import linux
from cloister.worker.environments.gate import Gate
from cloister.worker.environments.source import Source
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.script import ScriptRun, ScriptTask, blueprint, run_script
from cloister.worker.sandbox.container import Sandbox

_GATE_PORT = 3128
_MESSAGE_LENGTH = 4000
"""Characters of the installer's own words that are handed on."""
_MAX_DEPTH = 64
_MAX_LOCK_BYTES = 4 * 1024 * 1024
_WORK = "work.json"
_SCRIPT = """\
import json, subprocess, sys
from pathlib import Path
with Path(__file__).with_name("work.json").open() as file:
    work = json.load(file)
sys.exit(subprocess.run(work["command"], env=work["environment"], stdin=subprocess.DEVNULL).returncode)
"""
INSTALLER = "/usr/local/bin/uv"
"""Where the containers find it: in a layer over the image."""


class _Wheel(msgspec.Struct):
    hashes: dict[str, str]


class _Package(msgspec.Struct):
    name: str
    version: str
    wheels: list[_Wheel] = []


class _Resolved(msgspec.Struct):
    """What a pylock.toml (PEP 751) says, as far as it is needed. Where files lie is no part of a lock here."""

    packages: list[_Package] = []


class Installer:
    """Runs uv in containers of one sandbox.

    Args:
        tools: the layer with `INSTALLER`.
    """

    def __init__(self, sandbox: Sandbox, source: Source, tools: Path) -> None:
        self._sandbox = sandbox
        self._source = source
        self._tools = tools

    def resolve(
        self, requirements: str, image_root: Path, limits: Limits, cancelled: threading.Event
    ) -> tuple[LockedPackage, ...]:
        """The newest packages that fit the requirements, each other, and the image's Python and platform.

        Raises:
            EnclaveError: there are none; the message is the installer's own.
            SandboxUnavailable: no container could be had.
        """
        try:
            wanted = plain_requirements(requirements)
        except DefinitionInvalid as error:
            raise EnclaveError(str(error)) from None
        if not wanted:
            return ()
        command = ["pip", "compile", "--quiet", "--generate-hashes", "--format", "pylock.toml"]
        command += ["--output-file", "/output/pylock.toml", "{code}/requirements.txt"]
        with self._run(command, {"requirements.txt": "\n".join(wanted)}, image_root, limits, cancelled) as run:
            return _read_lock(run.outcome.output)

    def install(
        self,
        lock: Sequence[LockedPackage],
        into: Path,
        image_root: Path,
        limits: Limits,
        cancelled: threading.Event,
    ) -> None:
        """Installs exactly these packages into the folder ``into``, which it makes, byte code included.

        Raises:
            EnclaveError: that failed; the message is the installer's own.
            SandboxUnavailable: no container could be had.
        """
        lines = "\n".join(
            " ".join([f"{each.name}=={each.version}", *(f"--hash=sha256:{digest}" for digest in each.sha256)])
            for each in lock
        )
        command = ["pip", "install", "--quiet", "--no-deps", "--require-hashes", "--link-mode", "copy"]
        # Neither looked at for changes nor written again: the folder is read-only then.
        command += ["--compile-bytecode", "--target", "/output", "--requirements", "{code}/requirements.txt"]
        with self._run(command, {"requirements.txt": lines}, image_root, limits, cancelled) as run:
            _copy(run.outcome.output, into)

    @contextlib.contextmanager
    def _run(
        self,
        command: Sequence[str],
        files: Mapping[str, str],
        image_root: Path,
        limits: Limits,
        cancelled: threading.Event,
    ) -> Iterator[ScriptRun]:
        if self._sandbox.walls == "gvisor":
            raise EnclaveError(
                "Custom environments can't be made by this installation: its workers' containers are gVisor's, which "
                "have no way to a package index. Ask its operator for packages in the image."
            )
        wanted = blueprint(PYTHON, image_root, limits, (), layers=(self._tools,))
        code = wanted.code_target
        environment = {
            "HOME": "/tmp",  # noqa: S108 - the container's own
            "HTTPS_PROXY": f"http://127.0.0.1:{_GATE_PORT}",
            "UV_DEFAULT_INDEX": self._source.index,
            "UV_PYTHON": "/usr/bin/python3",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_NO_CACHE": "1",
            "UV_ONLY_BINARY": ":all:",
            "NO_COLOR": "1",
            "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
            "PYTHONHASHSEED": "0",
        }
        told = dict(files)
        if self._source.certificates:
            told["certificates.pem"] = self._source.certificates.decode("ascii", "replace")
            environment["SSL_CERT_FILE"] = f"{code}/certificates.pem"
        filled = [INSTALLER, *(word.format(code=code) for word in command), "--only-binary", ":all:"]
        told[_WORK] = json.dumps({"command": filled, "environment": environment})
        with self._sandbox.container(wanted) as container:
            container.wait_ready()
            listener = linux.listen_in_network_of(container.client, _GATE_PORT)
            with Gate(listener, self._source.hosts):
                run = run_script(PYTHON, container, ScriptTask(script=_SCRIPT, limits=limits, files=told), cancelled)
            if run.error is not None:
                raise EnclaveError(_failure(run))
            yield run


def _failure(run: ScriptRun) -> str:
    if run.outcome.cancelled:
        return "The computation was withdrawn before it ended."
    if run.limit is not None:
        # The texts of limits speak of scripts; this one has none to change.
        return f"The installer exceeded its limit on {run.limit}. Let the environment have more, or fewer packages."
    said = run.console[-_MESSAGE_LENGTH:] or "It gave no reason."
    return f"The installer says:\n{said}"


def _read_lock(output: Path) -> tuple[LockedPackage, ...]:
    """Raises:
    EnclaveError: what the container left is no lock.
    """
    try:
        folder = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            file = linux.open_beneath(folder, b"pylock.toml", os.O_RDONLY | os.O_NONBLOCK)
        finally:
            os.close(folder)
        with os.fdopen(file, "rb") as opened:
            text = opened.read(_MAX_LOCK_BYTES).decode()
        resolved = msgspec.convert(tomllib.loads(text), _Resolved)
        lock = [
            {
                "name": each.name,
                "version": each.version,
                "sha256": sorted({wheel.hashes["sha256"] for wheel in each.wheels}),
            }
            for each in resolved.packages
        ]
        return msgspec.convert(lock, tuple[LockedPackage, ...])
    except (OSError, ValueError, KeyError, RecursionError, msgspec.ValidationError):
        raise EnclaveError("The installer resolved the requirements to something that is no lock.") from None


def _copy(source: Path, target: Path) -> None:
    """Files and folders, and nothing else: what was unpacked is anybody's. Nobody changes it meanwhile.

    Raises:
        EnclaveError: something else is there.
    """
    pending = [(source, target, 0)]
    while pending:
        folder, place, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise EnclaveError(f"A package has folders nested more than {_MAX_DEPTH} deep.")
        place.mkdir(mode=0o755)
        with os.scandir(folder) as items:
            for item in items:
                try:
                    item.name.encode()
                except UnicodeEncodeError:
                    raise EnclaveError("A package has a file whose name is not valid UTF-8.") from None
                mode = item.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    pending.append((Path(item.path), place / item.name, depth + 1))
                elif stat.S_ISREG(mode):
                    shutil.copyfile(item.path, place / item.name, follow_symlinks=False)
                    (place / item.name).chmod(0o755 if mode & 0o111 else 0o644)
                else:
                    raise EnclaveError("A package holds something that is neither a file nor a folder.")
