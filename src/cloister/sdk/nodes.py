"""Nodes of a published room: where data is attached, and where results come from."""

# ruff: noqa: ARG002 - the documented interface has parameters that mean nothing here

from __future__ import annotations

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from msgspec import UNSET

from cloister.errors import BadRequestError, DecryptionFailed, EnclaveError, NotFoundError
from cloister.formats.dataset import Manifest, check_key
from cloister.protocol import (
    AttachDataset,
    AwaitJob,
    CancelJob,
    Dataset,
    Done,
    FetchDataset,
    FetchResult,
    Progress,
    ReadStatus,
    RemoveDataset,
    Result,
    RoomStatus,
    RunComputation,
)
from cloister.rooms import nodes as records
from cloister.rooms.definition import Definition
from cloister.sdk.bound_keys import KeyCheck, bound_keys, check_keys
from cloister.sdk.datasets import Attachment, Datasets, open_stream
from cloister.sdk.definitions import NodeDefinition, definition_of
from cloister.sdk.key import Key
from cloister.sdk.link import RoomLink, Told
from cloister.sdk.progress import RunProgress
from cloister.sdk.results import check_receipt, fetch_result
from cloister.sdk.uploads import Data, Transfers
from cloister.wire.patience import Deadline

T = TypeVar("T")
_JOB = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class RoomContext:
    """What the nodes of one room share."""

    definition: Definition
    link: RoomLink
    transfers: Transfers
    datasets: Datasets
    key_check: KeyCheck | None = None


class _Node:
    """What data nodes and computations of a published room have in common."""

    def __init__(self, context: RoomContext, record: records.Node) -> None:
        self._context = context
        self._record = record

    @property
    def id(self) -> str:
        """By which dependencies and roles refer to it."""
        return self._record.id

    @property
    def name(self) -> str:
        """By which people and mount paths refer to it."""
        return self._record.name

    @property
    def definition(self) -> NodeDefinition:
        """As it was published."""
        return definition_of(self._record)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, id={self.id!r})"


class DataNode(_Node):
    """A place for one dataset."""

    _record: records.RawDataNode

    @property
    def is_required(self) -> bool:
        """Whether computations that depend on it wait for its data."""
        return self._record.required

    def upload_and_publish_dataset(
        self,
        data: Data,
        key: Key,
        name: str,
        description: str = "",
        *,
        secret_store_options: object | None = None,
    ) -> None:
        """Encrypts a dataset, stores it with the hub, keeps it in mind in your vault, and attaches it here.

        Args:
            data: a file opened with ``open(path, "rb")``, bytes, or a path.
            key: decrypts it. The room gets it, and your vault, so that `Client.get_dataset_key` finds it.
            name: the file's name, for you alone: the vault has it, and the description.
            secret_store_options: `SecretStoreOptions`, where the key shall not be kept.

        Raises:
            AuthorizationError: you are not data owner of this node.
            BadRequestError: there is a dataset already, or the room was stopped. The dataset is in your vault then:
                see `publish_dataset`.
            EvidenceRejected: the enclave is not proven, or another one has taken its place meanwhile.
            RollbackDetected: the room's log is not the one that this machine has seen. The key was not sent.
        """
        shown, readers = self._shown()
        # Noted first: what was noted and isn't attached does no harm, the other way round it might be deleted unasked.
        here = Attachment(room=self._context.link.room, node=self.id)
        manifest = self._context.datasets.upload(
            data, key, name, description, options=secret_store_options, attaching=(here,)
        )
        self._attach(manifest, key, shown, readers)

    def publish_dataset(self, manifest_hash: str, key: Key) -> None:
        """Attaches a dataset that you have uploaded before, here or on another machine.

        Args:
            manifest_hash: as `Client.upload_dataset` has returned it.
            key: that it was uploaded with; `Client.get_dataset_key` knows it if it was kept.

        Raises:
            NotFoundError: you have no such dataset.
            DecryptionFailed: it is another key.
            AuthorizationError, BadRequestError, EvidenceRejected, RollbackDetected: as `upload_and_publish_dataset`.
        """
        if not isinstance(key, Key):
            raise BadRequestError("The key must be a Key. get_dataset_key() gives one that is kept.")
        shown, readers = self._shown()
        manifest = self._context.datasets.manifest(manifest_hash)
        check_key(key.material, manifest)
        # Noted first, as there.
        self._context.datasets.note(manifest_hash, self._context.link.room, self.id)
        self._attach(manifest, key, shown, readers)

    def _shown(self) -> tuple[bytes, tuple[str, ...]]:
        """The signing key of the enclave that has proven itself and has shown that its log of the room goes on from
        all that was seen. The dataset's key goes to that very enclave: a hub that leads to another one of the same
        software, where it has put up the same room for itself, gains nothing by it. Whose data it is sees first who
        speaks for whom there.

        And the keys of data owners that may fetch it: those that nobody has looked at are on the hub's word alone."""
        told = self._context.link.ask(ReadStatus(), RoomStatus)
        definition, keys = self._context.definition, bound_keys(told.body.keys)
        check_keys(definition, keys, self._context.key_check)
        owners = [entry for entry in definition.participants if self.id in entry.data_owner_of]
        readers = {self._context.link.identity.device_key.hex(), *(key for owner in owners for key in owner.keys)}
        if self._context.key_check is not None:
            readers.update(key for owner in owners for key in keys.get(owner.user, ()))
        return told.trusted.keys.signing, tuple(sorted(readers))

    def _attach(self, manifest: Manifest, key: Key, shown: bytes, readers: tuple[str, ...]) -> None:
        attach = AttachDataset(
            node=self.id, manifest=manifest, key=key.material, request=os.urandom(32).hex(), readers=readers
        )
        self._context.link.ask(attach, Done, signing=shown)

    def remove_published_dataset(self) -> None:
        """Takes the dataset away, with every result that was derived from it.

        Raises:
            AuthorizationError: you are not data owner of this node.
            BadRequestError: there is none.
        """
        self._context.link.ask(RemoveDataset(node=self.id, request=os.urandom(32).hex()), Done)


class RawDataNode(DataNode):
    """A place for one file of any content."""

    def download_dataset(self) -> io.BufferedReader:
        """What is attached here, as a stream: for data owners of this node, on the device that has attached it, on
        those whose keys the definition pins, and on those that were there when it was attached and that `check_keys` of
        whoever attached it has let pass. That it was fetched stands in the audit log.

        Raises:
            AuthorizationError: you are not data owner of this node, or it was not attached for this device.
            BadRequestError: there is none, or the room was stopped.
            VerificationError: what came is not what was attached; raised while it is read.
        """
        told = self._context.link.ask(FetchDataset(node=self.id), Dataset)
        return open_stream(self._context.transfers, told.body.manifest, Key(told.body.key))


class ComputeNode(_Node):
    """A computation."""

    _record: records.ComputeNode

    def __init__(self, context: RoomContext, record: records.ComputeNode) -> None:
        super().__init__(context, record)
        self._job: str | None = None
        self._lost: str | None = None
        self._receipt: bytes | None = None

    @property
    def job_id(self) -> str | None:
        """Of the last run that was started here; None where there was none. Set it to one that another program of
        yours has started, and its result can be waited for, and the run cancelled, from here."""
        return self._job

    @job_id.setter
    def job_id(self, job: str) -> None:
        if not isinstance(job, str) or not _JOB.match(job):
            raise BadRequestError("A job's id is 64 hexadecimal digits, as job_id shows after run_computation().")
        self._job = job

    @property
    def receipt(self) -> bytes | None:
        """The enclave's signed statement about the last result that was fetched here (DSSE JSON, to be shared)."""
        return self._receipt

    def run_computation(self) -> None:
        """Starts the computation and all that it needs, and doesn't wait for it.

        Raises:
            AuthorizationError: you are not analyst of this node.
            BadRequestError: data that it needs is missing, or the room was stopped.
        """
        job = os.urandom(32).hex()
        lost = UNSET if self._lost is None else self._lost
        self._context.link.ask(RunComputation(node=self.id, job=job, lost=lost), Done)
        self._job, self._lost = job, None

    def cancel_computation(self) -> None:
        """Ends the run that `run_computation` has started, at once. What others wait for too goes on for them.

        No error where it has ended already: its result can be fetched then.

        Raises:
            BadRequestError: nothing was run.
            AuthorizationError: somebody else has started it.
        """
        self._context.link.ask(CancelJob(node=self.id, job=self._started()), Done)

    def get_results_as_bytes(self, interval: float = 5, timeout: float | None = None) -> bytes:
        """Waits for the run that `run_computation` has started, and returns its result.

        Args:
            interval: accepted for older scripts; a result arrives when it is there.
            timeout: seconds to wait for its end; None for as long as it takes.

        Raises:
            BadRequestError: nothing was run, or the run ended without a result.
            EnclaveError: the computation failed; the message says how.
            TimedOut: it takes longer. It goes on; ask again later.
            VerificationError: what came is not the result that the receipt vouches for.
        """
        with self._result(timeout)[0] as file:
            return file.read()

    def run_computation_and_get_results_as_bytes(self, interval: float = 5, timeout: float | None = None) -> bytes:
        """`run_computation`, then `get_results_as_bytes`."""
        self.run_computation()
        return self.get_results_as_bytes(interval, timeout)

    def wait_for_run(self, timeout: float | None = None, told: Callable[[RunProgress], None] | None = None) -> None:
        """Waits for the end of the run that `run_computation` has started, and fetches nothing.

        Args:
            timeout: as `get_results_as_bytes`.
            told: is called at every change of the computation, and of those that it needs.

        Raises:
            BadRequestError, EnclaveError, TimedOut: as `get_results_as_bytes`.
        """
        self._wait(Deadline.after(timeout), Done, told)

    def write_results(self, into: IO[bytes], timeout: float | None = None, *, latest: bool = False) -> int:
        """Like `get_results_as_bytes`, into an open file; the number of bytes. Memory use is bounded.

        Nothing is written before all of the result was checked.

        Args:
            latest: don't wait for a run, and take the result over the data that is attached now, whoever has run it.
        """
        if latest:
            file, _ = self._checked(self._context.link.ask(FetchResult(node=self.id), Result))
        else:
            file, _ = self._result(timeout)
        with file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            shutil.copyfileobj(file, into)
            return size

    def _result(self, timeout: float | None) -> tuple[IO[bytes], str]:
        """The file and its name. What the hub has lost is computed once more."""
        deadline = Deadline.after(timeout)
        try:
            return self._awaited(deadline)
        except NotFoundError:
            if self._lost is None:
                raise
        self.run_computation()
        return self._awaited(deadline)

    def _awaited(self, deadline: Deadline) -> tuple[IO[bytes], str]:
        return self._checked(self._wait(deadline, Result))

    def _wait(self, deadline: Deadline, kind: type[T], told: Callable[[RunProgress], None] | None = None) -> Told[T]:
        """Waits until the run has ended, and fetches what it has led to where ``kind`` is `Result`."""
        job = self._started()
        fetch = True if kind is Result else UNSET

        def progressed(progress: Progress) -> None:
            if told is not None and progress.status != "":
                what = "" if progress.waiting_for is UNSET else progress.waiting_for
                told(RunProgress(progress.node, progress.status, what))

        try:
            return self._context.link.ask(
                AwaitJob(node=self.id, job=job, fetch=fetch),
                kind,
                wait=True,
                deadline=deadline,
                progressed=progressed,
            )
        except KeyboardInterrupt as error:
            error.add_note(
                f"The computation {self.name!r} goes on. cancel_computation() ends it, get_results_as_bytes() and its "
                f"like wait for it again; in another program, set job_id = {job!r} of this node before."
            )
            raise

    def _checked(self, told: Told[Result]) -> tuple[IO[bytes], str]:
        """The result that the enclave tells of, fetched and checked, and its name."""
        context = self._context
        proven = check_receipt(
            told.body, context.definition, context.link.room, self._record, told.trusted, told.checkpoint
        )
        try:
            file = fetch_result(context.transfers, told.body)
        except NotFoundError:
            self._lost = proven.run
            raise NotFoundError(
                f"The hub doesn't have the result of {self.name!r} any more. Call run_computation(): it is computed "
                "again, and the room's log will say why."
            ) from None
        except DecryptionFailed as error:
            self._lost = proven.run
            error.add_note("Tell the operator. After run_computation() it is computed again.")
            raise
        self._receipt = told.body.receipt
        return file, told.body.name

    def _started(self) -> str:
        if self._job is None:
            raise BadRequestError(f"The computation {self.name!r} was not run here. Call run_computation() first.")
        return self._job


class ResultArchive(zipfile.ZipFile):
    """A zip that owns the temporary file it lies in: closing it, or letting go of it, ends both."""

    def close(self) -> None:
        file = self.fp
        super().close()
        if file is not None:
            file.close()


class ZipComputeNode(ComputeNode):
    """A computation whose result is a zip."""

    def get_results_as_zip(self, interval: float = 5, timeout: float | None = None) -> zipfile.ZipFile:
        """Like `get_results_as_bytes`, as an open archive called ``<computation's name>.zip``."""
        file, name = self._result(timeout)
        try:
            archive = ResultArchive(file)
        except zipfile.BadZipFile:
            file.close()
            raise EnclaveError(f"The result of {self.name!r} is not a zip file. Tell the operator.") from None
        archive.filename = name
        return archive

    def run_computation_and_get_results_as_zip(
        self, interval: float = 5, timeout: float | None = None
    ) -> zipfile.ZipFile | None:
        """`run_computation`, then `get_results_as_zip`. There is always a result, or an error; None is what the
        documented signature says."""
        self.run_computation()
        return self.get_results_as_zip(interval, timeout)


class ScriptComputeNode(ZipComputeNode):
    """A script; its result is a zip of what it wrote to ``/output``."""


class PythonComputeNode(ScriptComputeNode):
    """A Python script."""


class RComputeNode(ScriptComputeNode):
    """An R script."""


class PythonEnvironmentComputeNode(ZipComputeNode):
    """Python packages for scripts; its result is a zip with the report of what was installed."""

    def get_installation_report_as_dict(self) -> dict[str, Any]:
        """What was installed, in the form of pip's installation report where that says something about it: under
        ``install`` each package's name, version and hashes. Besides: ``size`` in bytes, ``files``, and the ``seconds``
        that installing took. Runs the computation first if nothing was run here.

        Raises:
            EnclaveError: it could not be installed; the message is the installer's own.
            As `get_results_as_zip` besides.
        """
        if self.job_id is None:
            self.run_computation()
        with self.get_results_as_zip() as archive:
            try:
                return dict(json.loads(archive.read("report.json")))
            except (KeyError, ValueError):
                raise EnclaveError(f"The result of {self.name!r} is no report. Tell the operator.") from None


Node = RawDataNode | PythonComputeNode | RComputeNode | PythonEnvironmentComputeNode


def node_of(context: RoomContext, record: records.Node) -> Node:
    """The node to work with."""
    match record:
        case records.RawDataNode():
            return RawDataNode(context, record)
        case records.PythonNode():
            return PythonComputeNode(context, record)
        case records.RNode():
            return RComputeNode(context, record)
        case records.PythonEnvironmentNode():
            return PythonEnvironmentComputeNode(context, record)
