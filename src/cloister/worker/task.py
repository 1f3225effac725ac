"""One task from start to end: fetch, run, encrypt, report. Everything it held is gone when it returns."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import UNSET

from cloister.errors import EnclaveError, ImageUnavailable, SandboxUnavailable, ServerError
from cloister.protocol import Failed, Finished, Resolved, Task, Unable
from cloister.rooms.limits import Limits
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import upload
from cloister.worker.environments import tasks as packages
from cloister.worker.environments.store import Environments
from cloister.worker.images.offer import Offer
from cloister.worker.inputs import InputInvalid, stage
from cloister.worker.metrics import held_memory
from cloister.worker.runners.python import PROGRAM, PYTHON
from cloister.worker.runners.r import R
from cloister.worker.runners.script import ScriptTask, blueprint, run_script
from cloister.worker.sandbox.budget import Claim
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.encrypted import DiskFull, DiskUnusable
from cloister.worker.sandbox.frame import DiskPlace, Room, output_room
from cloister.worker.sandbox.pool import Pool

log = logging.getLogger("cloister.worker")

LANGUAGES = {"python": PYTHON, "r": R, "program": PROGRAM}
"""By kind of task."""
_USUAL = Limits()
_SCRATCH_FILE_BYTES, _SCRATCH_FILES = 65536, 1000  # on disk: room for files of that size on average, and for so many


def perform(
    task: Task,
    hub: Hub,
    sandbox: Sandbox,
    pool: Pool,
    offer: Offer,
    environments: Environments,
    patience: Patience,
    cancelled: threading.Event,
) -> Finished | Failed | Resolved | Unable:
    """Carries out a task.

    Args:
        cancelled: set where the task is not wanted any more; whatever is returned then is of no interest.
    """
    try:
        image = offer.open(task.image)
        with contextlib.ExitStack() as held:
            if task.kind == "resolve":
                return packages.resolve(task, image, environments, cancelled)
            if task.kind == "python_environment":
                return _store(task, packages.installation_report(task, image, environments, cancelled), hub, patience)
            # Before any input is there: installing happens in a container of its own.
            layers = packages.layers(task, image, environments, cancelled, held)
            container = staged(task, image.root, hub, sandbox, pool, patience, held, layers)
            script = ScriptTask(
                script=task.script,
                limits=task.limits,
                files={file.name: file.content for file in task.files},
                enable_logs_on_success=task.logs_on_success,
            )
            run = run_script(LANGUAGES[task.kind], container, script, cancelled)
            if run.outcome.peak_memory_bytes is not None:
                held_memory(run.outcome.peak_memory_bytes)
            if run.error is not None:
                return Failed(message=run.error, log=run.console if task.logs_on_error else "")
            finished = _store(task, run.result(withheld=task.withheld is not UNSET), hub, patience)
            if task.withheld is UNSET:
                return finished
            place = task.withheld
            kept = upload(hub, run.withheld(), place.key, place.blob, patience=patience)
            return msgspec.structs.replace(finished, withheld=kept)
    except InputInvalid as error:
        return Failed(message=str(error), unread=True)
    except EnclaveError as error:
        return Failed(message=error.message)
    except (ImageUnavailable, SandboxUnavailable, ServerError) as error:
        return Unable(message=str(error))


def _store(task: Task, chunks: Iterator[bytes], hub: Hub, patience: Patience) -> Finished:
    """Encrypts the result while it is made and stored."""
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for chunk in chunks:
            digest.update(chunk)
            yield chunk

    manifest = upload(hub, hashed(), task.result_key, task.result, patience=patience)
    return Finished(manifest=manifest, commitment=hmac.digest(task.result_key, digest.digest(), "sha256"))


def staged(
    task: Task,
    image_root: Path,
    hub: Hub,
    sandbox: Sandbox,
    pool: Pool,
    patience: Patience,
    held: contextlib.ExitStack,
    layers: tuple[Path, ...] = (),
) -> Container:
    """A container for the task with its inputs in place, and these folders over its image; closed with `held`.

    Raises:
        InputInvalid, EnclaveError: it can't be done here; the message says why.
    """
    language = LANGUAGES[task.kind]
    wanted = blueprint(language, image_root, task.limits, {each.mount for each in task.inputs}, layers)
    libraries = language.uses_libraries([task.script, *(file.content for file in task.files)])
    made: list[Container] = []
    claims: list[Claim] = []

    def make_folder(size_bytes: int, files: int) -> Path:
        claim = sandbox.memory.claim(size_bytes)
        on_disk = disk_rooms(task.limits)
        if claim is None:
            on_disk["input"] = Room(size_bytes, files)
        try:
            container = held.enter_context(pool.take(wanted, libraries=libraries, on_disk=on_disk))
        except DiskUnusable as error:
            log.warning("%s", error)
            if isinstance(error, DiskFull) and error.place != "input":
                name = "output size" if error.place == "output" else "scratch"
                raise EnclaveError(
                    f"This worker's disk has no room for what the computation's limit on {name} allows. Publish a room "
                    "that allows less, or have the operator of this installation give its workers more."
                ) from None
            # As far as memory goes then; what doesn't fit is noticed, and named, when it is written.
            container = held.enter_context(pool.take(wanted, libraries=libraries))
            on_disk = {}
        if claim is None and "input" not in on_disk:
            claim = sandbox.memory.claim_what_there_is(size_bytes)
        if claim is not None:
            container.keep(claim)
            claims.append(claim)
        made.append(container)
        return container.input_folder(size_bytes if claim is None else claim.size_bytes, files)

    stage(task.inputs, hub, sandbox, make_folder, patience)
    for claim in claims:
        claim.arrived()
    return made[0]


def disk_rooms(limits: Limits) -> dict[DiskPlace, Room]:
    """What can't be meant to lie in memory, and how large it is to be: a definition that allows more of it than of
    memory, and more than by default, asks for a disk. Elsewhere it counts as memory."""
    rooms: dict[DiskPlace, Room] = {}
    if limits.output_bytes > max(limits.memory_bytes, _USUAL.output_bytes):
        rooms["output"] = output_room(limits)
    if limits.scratch_bytes > max(limits.memory_bytes, _USUAL.scratch_bytes):
        rooms["scratch"] = Room(limits.scratch_bytes, limits.scratch_bytes // _SCRATCH_FILE_BYTES + _SCRATCH_FILES)
    return rooms
