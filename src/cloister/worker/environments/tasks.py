"""What a task says of Python packages, done: resolved, installed and told of, or found by its script."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from msgspec import UNSET

from cloister.errors import EnclaveError
from cloister.protocol import Resolved, Task, TaskEnvironment
from cloister.rooms.environments import plain_requirements
from cloister.worker.environments.store import Environments, report
from cloister.worker.images.store import OpenImage
from cloister.worker.sandbox.collector import EPOCH

REPORT_NAME = "report.json"


def resolve(task: Task, image: OpenImage, environments: Environments, cancelled: threading.Event) -> Resolved:
    """Raises:
    EnclaveError: nothing fits; the message is the installer's own.
    """
    asked = _asked(task)
    return Resolved(lock=environments.resolve(asked.requirements, image, asked.limits, cancelled))


def installation_report(
    task: Task, image: OpenImage, environments: Environments, cancelled: threading.Event
) -> Iterator[bytes]:
    """Installs a task's packages, where they aren't installed yet; the zip of the report.

    Raises:
        EnclaveError: that failed; the message is the installer's own.
    """
    asked = _asked(task)
    with environments.held(asked.lock, image, asked.limits, cancelled) as (made, _):
        told = report(made, plain_requirements(asked.requirements))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(REPORT_NAME, EPOCH), json.dumps(told, indent=1))
    yield file.getvalue()


def layers(
    task: Task, image: OpenImage, environments: Environments, cancelled: threading.Event, held: ExitStack
) -> tuple[Path, ...]:
    """What is seen over the image of a script's container; there until ``held`` is closed.

    Raises:
        EnclaveError: its packages can't be installed; the message is the installer's own.
    """
    if task.environment is UNSET:
        return ()
    asked = task.environment
    return (held.enter_context(environments.held(asked.lock, image, asked.limits, cancelled))[1],)


def _asked(task: Task) -> TaskEnvironment:
    if task.environment is UNSET:
        raise EnclaveError("The task says nothing of packages.")
    return task.environment
