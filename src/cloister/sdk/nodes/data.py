"""Data nodes of a published room: where data is attached, and tables validated."""

from __future__ import annotations

import io
import os
import warnings
from typing import Any

import msgspec

from cloister.errors import BadRequestError, EnclaveError
from cloister.formats.dataset import Manifest, check_key
from cloister.protocol import AttachDataset, Dataset, Done, FetchDataset, ReadStatus, RemoveDataset, RoomStatus
from cloister.rooms import nodes as records
from cloister.sdk.bound_keys import bound_keys, check_keys
from cloister.sdk.datasets import Attachment, open_stream
from cloister.sdk.definitions import Column
from cloister.sdk.headers import is_header, without_header
from cloister.sdk.key import Key
from cloister.sdk.nodes.base import BaseNode, RoomContext
from cloister.sdk.nodes.compute import ZipComputeNode
from cloister.sdk.uploads import Data

_REPORT = "validation-report.json"


class DataNode(BaseNode):
    """A place for one dataset."""

    _record: records.DataNode

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


class RawDataNode(DataNode):
    """A place for one file of any content."""


class TableDataNode(DataNode):
    """A place for one CSV file of a known shape. What is attached is validated before any computation reads it."""

    _record: records.TableDataNode

    def __init__(self, context: RoomContext, record: records.TableDataNode) -> None:
        super().__init__(context, record)
        self._validation = ZipComputeNode(context, record)

    @property
    def columns(self) -> list[Column]:
        """In the order of the file."""
        return [Column.of(column) for column in self._record.columns]

    @property
    def validation(self) -> ZipComputeNode:
        """The validation of what is attached, to be run and waited for like a computation: by all participants. Its
        result, the validated table and the report, is for the data owners of this node."""
        return self._validation

    def upload_and_publish_dataset(
        self,
        data: Data,
        key: Key,
        name: str,
        description: str = "",
        *,
        secret_store_options: object | None = None,
        has_header: bool | None = None,
    ) -> None:
        """As `DataNode.upload_and_publish_dataset`, of a CSV file.

        Args:
            has_header: whether the first line names the columns. Then it is compared with those of this node, and left
                out; such an upload starts anew where it was broken off. Without it the file has no header: should it
                begin with the columns' names all the same, a warning says so.

        Raises:
            BadRequestError: the header isn't that of this node, naming the difference; or as there.
        """
        names = [column.name for column in self._record.columns]
        if has_header:
            with without_header(data, names, what=repr(self.name)) as rest:
                super().upload_and_publish_dataset(
                    rest, key, name, description, secret_store_options=secret_store_options
                )
            return
        if has_header is None and is_header(data, names):
            warnings.warn(
                f"The file begins with the names of the columns of {self.name!r}, which are taken for data. If that "
                "line is a header, remove the dataset, and upload it again with has_header=True.",
                stacklevel=2,
            )
        super().upload_and_publish_dataset(data, key, name, description, secret_store_options=secret_store_options)

    def get_validation_report_as_dict(self) -> dict[str, Any]:
        """What the validation of the attached table has found: for data owners of this node. Validates it first, where
        that wasn't done.

        Raises:
            AuthorizationError: you are not data owner of this node.
            BadRequestError: nothing is attached, or the room was stopped.
            EnclaveError: it could not be validated.
            VerificationError: what came is not the result that the receipt vouches for.
        """
        self._validation.run_computation()
        with self._validation.get_results_as_zip() as archive:
            try:
                return msgspec.json.decode(archive.read(_REPORT), type=dict[str, Any])
            except (KeyError, msgspec.DecodeError):
                raise EnclaveError(f"The validation of {self.name!r} has no report. Tell the operator.") from None
