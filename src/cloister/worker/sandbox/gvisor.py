"""Start a container under gVisor: its kernel, one process on the host, stands between the script and the machine's.

It is not started as other runtimes are (ADR 19):

- Its own processes outlive who started them, and `tini` asks a kernel that doesn't know the worker. So its client
  stays, is adopted by the worker, and only then asks to be killed when the worker dies; gVisor's kernel dies with it.
- It is told which files to hand in. It offers no way to say `started`, so it writes its process id into a pipe with a
  name.
- The control group is there before, with its limits, and what is started here joins it: the client, gVisor's kernel,
  and the processes in which the script's code runs.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cloister.errors import SandboxUnavailable
from cloister.worker.sandbox import calls, cgroups

FLAGS = (
    "--platform=systrap",  # needs no device; `kvm` hangs where the machine is virtual itself
    "--network=none",  # a loopback device of its own
    "--oci-seccomp",  # the same filter of system calls as elsewhere, for its kernel's calls
    "--overlay2=none",  # files are written where they are limited, not to a file beside the image
    "--host-uds=none",
    "--ignore-cgroups",
)

# Says which process it is, waits until the worker has adopted it, and then ties its life to the worker's.
_ADOPTED_FIRST = (
    'own=$1 adopted=$2; shift 2; echo $$ >"$own" && read -r _ <"$adopted" && exec setpriv --pdeathsig KILL -- "$@"'
)


def start(
    program: Path,
    name: str,
    *,
    bundle: Path,
    state: Path,
    descriptors: Sequence[int],
    where: cgroups.Hierarchies,
    timeout_seconds: float,
) -> int:
    """Start a container in the control group `name`, which is there, and say its client's process id.

    The client is ours to wait for, and ends as the container's first process does.

    Args:
        descriptors: become 0, 1, 2, ... in the container.

    Raises:
        SandboxUnavailable: it was not started. Nothing of it runs.
    """
    state.mkdir(mode=0o700)
    log_file = state / "log"
    with ExitStack() as held:
        own, adopted, started = (_Named(held, state / each) for each in ("own", "adopted", "started"))
        command = [
            *("/usr/bin/setsid", "--fork", "/bin/sh", "-c", _ADOPTED_FIRST, "sh", str(own.path), str(adopted.path)),
            *(str(program), "--root", str(state), "--log", str(log_file), "--log-format", "json", *FLAGS),
            *("run", "--bundle", str(bundle), "--pid-file", str(started.path)),
            *(f"--pass-fd={number}:{number}" for number in range(3, len(descriptors))),
            name,
        ]
        spawned = calls.spawn(command, [(os.POSIX_SPAWN_DUP2, mine, number) for number, mine in enumerate(descriptors)])
        said = own.wait(None, timeout_seconds) if calls.wait(spawned, timeout_seconds) else b""
        if not said:
            raise SandboxUnavailable(f"{program.name} could not start a container: setsid or sh are missing here")
        client = int(said)
        pidfd = os.pidfd_open(client)
        held.callback(os.close, pidfd)
        try:
            cgroups.join(name, client, where)
            adopted.write(b"adopted\n")
            if started.wait(pidfd, timeout_seconds):
                return client
        except OSError as error:
            _end(client, pidfd)
            raise SandboxUnavailable(f"A container can't be put into its control group: {error}.") from error
        _end(client, pidfd)
        raise SandboxUnavailable(f"{program.name} could not start a container: {calls.reason(log_file)}")


def _end(client: int, pidfd: int) -> None:
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.waitpid(client, 0)


class _Named:
    """A pipe with a name, that never ends and never blocks on our side."""

    def __init__(self, held: ExitStack, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        held.callback(os.close, self._descriptor)

    def wait(self, pidfd: int | None, seconds: float) -> bytes:
        """What was written to it; nothing where that process has ended instead, or the time is up."""
        watched = [self._descriptor] if pidfd is None else [self._descriptor, pidfd]
        ready = select.select(watched, [], [], seconds)[0]
        return os.read(self._descriptor, 64) if self._descriptor in ready else b""

    def write(self, data: bytes) -> None:
        os.write(self._descriptor, data)
