"""Computations of a published room: run, waited for, and their results fetched."""

# ruff: noqa: ARG002 - the documented interface has parameters that mean nothing here

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from typing import IO, TypeVar

from msgspec import UNSET

from cloister.errors import BadRequestError, DecryptionFailed, EnclaveError, NotFoundError
from cloister.protocol import AwaitJob, CancelJob, Done, FetchResult, Progress, Result, RunComputation
from cloister.rooms import nodes as records
from cloister.sdk.link import Told
from cloister.sdk.nodes.base import BaseNode, RoomContext
from cloister.sdk.progress import RunProgress
from cloister.sdk.results import check_receipt, fetch_result
from cloister.wire.patience import Deadline

T = TypeVar("T")
_JOB = re.compile(r"[0-9a-f]{64}\Z")


class ComputeNode(BaseNode):
    """A computation."""

    _record: records.RunNode

    def __init__(self, context: RoomContext, record: records.RunNode) -> None:
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
        file, _ = self._latest() if latest else self._result(timeout)
        with file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            shutil.copyfileobj(file, into)
            return size

    def _latest(self) -> tuple[IO[bytes], str]:
        """The file and its name, over the data that is attached now."""
        return self._checked(self._context.link.ask(FetchResult(node=self.id), Result))

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
        return self._archive(timeout)

    def _archive(self, timeout: float | None, *, latest: bool = False) -> zipfile.ZipFile:
        file, name = self._latest() if latest else self._result(timeout)
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
