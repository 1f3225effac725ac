"""The client: one user at one hub."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.errors import BadRequestError, NotFoundError
from cloister.formats.dataset import PART_SIZE
from cloister.formats.encoding import is_hex32
from cloister.protocol import Done, PublishRoom, ReadStatus, RetrieveRoom, RoomContent, RoomStatus
from cloister.rooms.definition import Definition, read_definition
from cloister.sdk.bound_keys import KeyCheck
from cloister.sdk.builder import AnalyticsDcrDefinition
from cloister.sdk.checkpoints import CheckpointMemory
from cloister.sdk.completion import Completion
from cloister.sdk.datasets import Datasets, SecretStoreOptions
from cloister.sdk.dcr import AnalyticsDcr, check_room
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.link import Identity, RoomLink
from cloister.sdk.nodes import RoomContext
from cloister.sdk.pending import PendingKeys
from cloister.sdk.progress import Reporter
from cloister.sdk.report import RoomReport
from cloister.sdk.resume import UploadRecords
from cloister.sdk.specifications import EnclaveSpecs, accepted
from cloister.sdk.testing import TestData, Testing, Told
from cloister.sdk.uploads import Data, Transfers
from cloister.sdk.vault import Vault
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub, RoomEntry
from cloister.wire.patience import Patience
from cloister.wire.transfers import PARALLEL


class Client:
    """One user at one hub. Threads may share it. See `cloister.create_client`."""

    def __init__(
        self,
        user_email: str,
        hub: Hub,
        *,
        folder: StateFolder,
        device: Ed25519PrivateKey,
        allow_software: bool,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        enclave_specs: EnclaveSpecs | None = None,
        reporter: Reporter = Reporter(),  # noqa: B008 - says nothing, and has nothing to change
        vault: str | None = None,
        check_keys: KeyCheck | None = None,
    ) -> None:
        self._hub = hub
        self._patience = patience
        self._channel = Channel(hub, allow_software=allow_software, patience=patience)
        self._identity = Identity(hub, user_email, device, patience=patience)
        self._checkpoints = CheckpointMemory(folder)
        accepted(enclave_specs)
        self._enclave_specs = enclave_specs
        self._check_keys = check_keys
        self._transfers = Transfers(
            hub, patience.longer(), reporter, UploadRecords(folder, hub.url, self._identity.email)
        )
        self._completion = Completion(self._channel, hub, patience)
        self._vault = Vault(
            hub,
            folder,
            self.user_email,
            self.device_key,
            self._link,
            self._completion.issuer,
            patience=patience,
            named=vault,
        )
        pending = PendingKeys(self._vault, folder, hub.url, self.user_email)
        self._datasets = Datasets(self._vault, self._transfers, self._link, self.user_email, pending)
        self._testing = Testing(
            self._completion, self._transfers, self._datasets, self._link, self.user_email, self.device_key
        )

    @property
    def user_email(self) -> str:
        """Whose client it is."""
        return self._identity.email

    @property
    def device_key(self) -> str:
        """This machine's public device key (hex), as rooms show it."""
        return self._identity.device_key.hex()

    def validate_dcr(
        self,
        definition: AnalyticsDcrDefinition,
        test_datasets: Mapping[str, TestData] | None = None,
        *,
        enclave_specs: EnclaveSpecs | None = None,
        told: Told | None = None,
    ) -> RoomReport:
        """Runs all of a room before it is published, in the very same containers, as a room that you alone are in.

        What was attached is deleted afterwards, and the room stopped, whatever happens.

        Args:
            test_datasets: made-up data by names (or ids) of data nodes: bytes, a path, or an open file. Data nodes
                without are empty, which scripts may fail on.
            enclave_specs: as `publish_analytics_dcr`.
            told: is called with a `NodeProgress` at every change.

        Returns:
            What became of each table and computation; ``passed`` says whether all is well. `publish_analytics_dcr`
            takes it as ``tested``.

        Raises:
            BadRequestError: there is test data for something that is no data node.
            DefinitionInvalid, EnclaveError, EvidenceRejected: as `publish_analytics_dcr`.
            OSError: test data can't be read.
        """
        only = accepted(self._enclave_specs, definition.enclave_specs, enclave_specs)
        return self._testing.test(definition, only, test_datasets, told)

    def publish_analytics_dcr(
        self,
        definition: AnalyticsDcrDefinition,
        *,
        enclave_specs: EnclaveSpecs | None = None,
        tested: RoomReport | None = None,
    ) -> AnalyticsDcr:
        """Publishes a room and lets its participants find it. Nothing in it can be changed afterwards.

        Args:
            enclave_specs: the only enclaves and workers that the room may have, beside what the builder and the
                client were told.
            tested: of `validate_dcr`: then only what has passed there is published, with the very packages that it was
                tested with.

        Raises:
            BadRequestError: you are not the room's owner; or it has not passed its test, or was changed since, or
                would run in other images.
            DefinitionInvalid: a rule is broken.
            EnclaveError: there are no packages that an environment asks for; the message is the installer's own.
            EvidenceRejected: the enclave is not proven, or not accepted. Nothing was sent to it.
        """
        only = accepted(self._enclave_specs, definition.enclave_specs, enclave_specs)
        if definition.owner != self.user_email:
            raise BadRequestError(
                f"The room's owner is {definition.owner}, and you are {self.user_email}. Only the owner can publish a "
                "room: call with_owner() with your own email."
            )
        if tested is not None:
            tested.check(definition.digest)
        complete = self._completion.complete(definition, only, locks=None if tested is None else tested.locks)
        if tested is not None:
            tested.check(definition.digest, complete)
        content, room = complete.canonical(), complete.id()
        # Read it as every other participant will.
        read_definition(content, room=room)
        link = self._link(room)
        check_room(complete, link, only)
        link.ask(PublishRoom(definition=content), Done)
        self._patience.run(lambda: self._hub.enter_room(room, [entry.user for entry in complete.participants]))
        return self._open(complete, link)

    def retrieve_analytics_dcr(self, dcr_id: str, enclave_specs: EnclaveSpecs | None = None) -> AnalyticsDcr:
        """A room that you are a participant of.

        Args:
            enclave_specs: the only enclaves and workers that the room may have, beside what the client was told.

        Raises:
            NotFoundError: there is no such room, or you are not one of its participants.
            DefinitionInvalid: the definition is not the one that the id stands for.
            EvidenceRejected: the room's enclave is not the one that is there, or something of it is not accepted.
        """
        only = accepted(self._enclave_specs, enclave_specs)
        if not is_hex32(dcr_id):
            raise NotFoundError("That is not the id of a room: ids are 64 lower-case hexadecimal digits.")
        if only is not None:
            only.check_enclave(self._channel.trusted().reference)
        link = self._link(dcr_id)
        content = link.ask(RetrieveRoom(), RoomContent).body.definition
        definition = read_definition(content, room=dcr_id)
        check_room(definition, link, only)
        return self._open(definition, link)

    def get_data_room_descriptions(self, *, exclude_stopped_dcrs: bool = False) -> list[dict[str, Any]]:
        """The rooms that invite you, the newest first. The hub knows their ids; the rest comes from the enclave.

        Rooms that the enclave doesn't have are left out.
        """
        described = (self._describe(entry) for entry in self._patience.run(self._hub.rooms))
        return [room for room in described if room is not None and not (exclude_stopped_dcrs and room["isStopped"])]

    def get_data_room_description(self, data_room_id: str) -> dict[str, Any] | None:
        """One of `get_data_room_descriptions`, or None."""
        entries = self._patience.run(self._hub.rooms)
        return next((self._describe(entry) for entry in entries if entry.id == data_room_id), None)

    # --- datasets ---

    def upload_dataset(
        self,
        data: Data,
        key: Key,
        file_name: str,
        /,
        *,
        description: str = "",
        chunk_size: int = PART_SIZE,  # noqa: ARG002 - as documented
        parallel_uploads: int = PARALLEL,
        usage: object | None = None,  # noqa: ARG002 - as documented
        secret_store_options: SecretStoreOptions | None = None,
    ) -> str:
        """Encrypts a dataset, stores it with the hub and keeps it in mind in your vault; for `publish_dataset`.

        Args:
            data: a file opened with ``open(path, "rb")``, bytes, or a path.
            key: decrypts it. Your vault keeps it too, for `get_dataset_key`.
            file_name, description: for you alone: the vault has them.
            chunk_size, usage: accepted for older scripts; they change nothing.
            parallel_uploads: how many parts of 8 MiB are sent at once.
            secret_store_options: `SecretStoreOptions`, where the key shall not be kept.

        Returns:
            The hash of the manifest, by which the dataset is known (64 hexadecimal digits).

        Raises:
            BadRequestError: the arguments can't be used, or your vault is full.
            EvidenceRejected: the enclave is not proven. Nothing was sent.
            ApiError: the hub refused, or stayed away.
        """
        return self._datasets.upload(
            data, key, file_name, description, parallel=parallel_uploads, options=secret_store_options
        ).digest()

    def upload_file(
        self,
        path: str | Path,
        file_name: str | None = None,
        *,
        description: str = "",
        has_header: bool = False,
        columns: Sequence[str] | None = None,
    ) -> str:
        """`upload_dataset` of a file of this machine with a fresh key, which your vault keeps from before the first
        byte is sent: whatever ends the program, upload the same file again, and only the rest is sent.

        Args:
            file_name: for you alone; the file's own without it.
            has_header: whether it is a CSV file whose first line is a header: it is left out. Such an upload starts
                anew where it was broken off.
            columns: the names that the header must have, in this order.

        Raises:
            VerificationError: this machine may not keep keys in your vault yet; the message says what to do.
            BadRequestError: the header says something else; or as `upload_dataset`.
            EvidenceRejected, ApiError: as `upload_dataset`.
            OSError: the file can't be read.
        """
        return self._datasets.upload_file(
            Path(path), file_name or Path(path).name, description, has_header=has_header, columns=columns
        ).digest()

    def get_dataset(self, manifest_hash: str) -> dict[str, Any] | None:
        """One of `get_available_datasets`, or None."""
        return self._datasets.get(manifest_hash)

    def get_available_datasets(self) -> list[dict[str, Any]]:
        """The datasets that you have uploaded and not deleted, from whatever machine, the newest first.

        Each has ``id`` and ``manifestHash`` (the same), ``name``, ``description``, ``size`` (bytes), ``createdAt``
        (ISO 8601) and ``owner``.
        """
        return self._datasets.all()

    def get_dataset_key(self, manifest_hash: str) -> Key:
        """The key of a dataset, if it was kept.

        Raises:
            NotFoundError: you have no such dataset, or its key is not kept.
            AuthorizationError: another device of yours has kept it, and has not admitted this one: see `admit_device`.
        """
        return self._datasets.key(manifest_hash)

    def download_dataset(self, manifest_hash: str, key: Key) -> io.BufferedReader:
        """The plaintext of a dataset that you have uploaded, as a stream to read from. Close it, or use ``with``.

        Parts are fetched as they are read, each checked before any of it is handed out; memory use is bounded.

        Raises:
            NotFoundError: you have no such dataset.
            DecryptionFailed: it is another key; or, when it is read, what the hub has is not the dataset.
        """
        return self._datasets.download(manifest_hash, key)

    def delete_dataset(self, manifest_hash: str, force: bool = False) -> None:
        """Deletes a dataset that you have uploaded: its ciphertext, and what your vault has of it.

        Args:
            force: also while it is attached to a room, whose computations will fail then.

        Raises:
            BadRequestError: it is attached to a room.
            NotFoundError: you have no such dataset.
        """
        self._datasets.delete(manifest_hash, force=force)

    # --- the vault ---

    @property
    def vault_id(self) -> str:
        """Which vault is yours: the same on all your machines. ``CLOISTER_VAULT`` names it on a new one."""
        return self._vault.id

    def vault_keys(self) -> list[dict[str, Any]]:
        """The devices that may open your vault: ``key`` (hex), ``boundAt`` (ISO 8601), and whether it is ``admitted``
        to the keys that others have put there."""
        return [
            {
                "key": device.key,
                "boundAt": datetime.fromtimestamp(device.bound_at / 1000, UTC).isoformat(timespec="milliseconds"),
                "admitted": device.admitted,
            }
            for device in self._vault.devices()
        ]

    def admit_device(self, key: str) -> None:
        """Lets another machine of yours see the keys in your vault. Without that it may after three days.

        Args:
            key: its `device_key`. Compare it there: whoever it belongs to gets your datasets' keys.
        """
        self._vault.admit(key)

    def dismiss_device(self, key: str) -> None:
        """Puts a device out of your vault, for good."""
        self._vault.dismiss(key)

    def accept_restored_log(self, dcr_id: str) -> Path | None:
        """Goes on with a room whose log was restored from an old copy, where the operator has declared that.

        Call it knowingly, after `RollbackDetected` has told you of the restore: what this machine has seen beyond the
        copy is lost. The signed checkpoint that proves it is kept.

        Returns:
            Where that is kept; None where nothing is lost.

        Raises:
            BadRequestError: no restore was declared since this machine has last seen the room.
        """
        return self._link(dcr_id).accept_restored_log()

    def close(self) -> None:
        """Ends all connections."""
        self._hub.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.user_email!r}, {self._hub.url!r})"

    def _describe(self, entry: RoomEntry) -> dict[str, Any] | None:
        # Only reading: what is told here needs no agreement on the enclave beyond that it has proven itself.
        link = self._link(entry.id)
        try:
            definition = read_definition(link.ask(RetrieveRoom(), RoomContent).body.definition, room=entry.id)
            status = link.ask(ReadStatus(), RoomStatus).body
        except NotFoundError:
            return None
        return {
            "id": entry.id,
            "title": definition.title,
            "driverAttestationHash": definition.enclaves[0].measurement,
            "isStopped": status.stopped,
            "createdAt": entry.created_at,
            "updatedAt": entry.created_at,
            "owner": {"email": definition.owner},
            "kind": "DATA_SCIENCE",
        }

    def _link(self, room: str) -> RoomLink:
        return RoomLink(self._channel, self._identity, self._checkpoints, room)

    def _open(self, definition: Definition, link: RoomLink) -> AnalyticsDcr:
        return AnalyticsDcr(self, RoomContext(definition, link, self._transfers, self._datasets, self._check_keys))
