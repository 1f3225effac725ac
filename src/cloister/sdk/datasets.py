"""Datasets of a user: uploaded once, kept in mind in the user's vault, attached to rooms as often as wanted.

A dataset is known by its manifest's hash. Three items of the vault belong to it: ``dataset/<hash>`` (what it is called
and where it was attached), ``manifest/<hash>``, and ``key/<hash>`` where the key is kept.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cloister.errors import BadRequestError, NotFoundError, VerificationError
from cloister.formats.dataset import PART_SIZE, Bytes, Manifest, check_key
from cloister.formats.encoding import Hex32, Record, Size, canonical, decode, is_hex32
from cloister.protocol import Item, ReadStatus, RoomStatus
from cloister.sdk.headers import without_header
from cloister.sdk.key import Key
from cloister.sdk.link import RoomLink
from cloister.sdk.pending import PendingKeys
from cloister.sdk.uploads import Data, Transfers
from cloister.sdk.vault import Vault
from cloister.wire.transfers import PARALLEL, stream

_MAX_TEXT = 4096
_BUFFER = 1024 * 1024


@dataclass(frozen=True)
class SecretStoreOptions:
    """Whether a dataset's key is kept in the vault, for `get_dataset_key`."""

    store_key: bool = True


class Attachment(Record, frozen=True, kw_only=True):
    """Where a dataset was attached, or was about to be."""

    room: Hex32
    node: str


class DatasetRecord(Record, frozen=True, kw_only=True):
    """Item ``dataset/<hash>``."""

    version: Literal[1] = 1
    name: str
    description: str
    size: Size
    """Of the plaintext, in bytes."""
    created: Size
    """Milliseconds since 1970, by the clock of the uploading machine."""
    attached: tuple[Attachment, ...] = ()


class Datasets:
    """What a user does with their datasets."""

    def __init__(
        self,
        vault: Vault,
        transfers: Transfers,
        link: Callable[[str], RoomLink],
        email: str,
        pending: PendingKeys,
    ) -> None:
        self._pending = pending
        self._vault = vault
        self._transfers = transfers
        self._link = link
        self._email = email
        self._unkept: dict[str, Key] = {}
        """Keys of what was uploaded here that the vault was not to be trusted with, for as long as this lives."""

    # --- putting ---

    def upload(
        self,
        data: Data,
        key: Key,
        name: str,
        description: str,
        *,
        parallel: int = PARALLEL,
        options: object | None = None,
        attaching: tuple[Attachment, ...] = (),
    ) -> Manifest:
        """Encrypts and stores a dataset, and keeps it in mind.

        Args:
            attaching: where it is about to be attached, as `note` would remember it.

        Raises:
            BadRequestError: the arguments can't be used, or the vault is full.
            ApiError: the hub refused, or stayed away.
        """
        if not isinstance(key, Key):
            raise BadRequestError("The key must be a Key. Make a fresh one with Key().")
        if not 1 <= len(name) <= _MAX_TEXT or len(description) > _MAX_TEXT:
            raise BadRequestError(f"A dataset needs a name; it and the description have at most {_MAX_TEXT} letters.")
        if parallel < 1:
            raise BadRequestError("parallel_uploads must be 1 at least.")
        keep_key = _keeps_key(options)
        # Nothing of the data is sent, not even encrypted, before the enclave has proven itself.
        self._vault.open()
        manifest = self._transfers.upload(data, key, name, parallel=parallel)
        record = DatasetRecord(
            name=name,
            description=description,
            size=manifest.size,
            created=time.time_ns() // 1_000_000,
            attached=attaching,
        )
        digest = manifest.digest()
        values = {f"manifest/{digest}": canonical(manifest), f"dataset/{digest}": canonical(record)}
        if keep_key and self._may_keep_keys():
            values[f"key/{digest}"] = key.material
        elif keep_key:
            self._unkept[digest] = key
        # Together: what is listed is whole.
        self._vault.put_new(values, blobs={f"manifest/{digest}": manifest.dataset})
        return manifest

    def upload_file(
        self,
        file: Path,
        name: str,
        description: str,
        *,
        parallel: int = PARALLEL,
        has_header: bool = False,
        columns: Sequence[str] | None = None,
    ) -> Manifest:
        """`upload` of a file of this machine, with a key of its own.

        Args:
            has_header: whether it is CSV whose first line is left out; such an upload starts anew each time.
            columns: what that line must say.

        Raises:
            VerificationError: this machine may not keep keys in the vault. Nothing was sent.
            BadRequestError: as `upload`, and as `without_header`.
            ApiError: as `upload`.
            OSError: the file can't be read.
        """
        if not self._vault.trusted:
            raise VerificationError(
                "The dataset's key would be lost, so nothing was uploaded: this machine has not made your vault, and "
                f"only the hub says that {self._vault.id} is yours. If it is (client.vault_id, or `cloister whoami`, "
                f"says so on a machine that you used before), set CLOISTER_VAULT={self._vault.id} and try again."
            )
        if has_header:
            with without_header(file, columns) as rest:
                return self.upload(rest, Key(), name, description, parallel=parallel)
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if found.st_size <= PART_SIZE:
                return self.upload(opened, Key(), name, description, parallel=parallel)
            with self._pending.of(found) as key:
                return self.upload(opened, key, name, description, parallel=parallel)

    def note(self, digest: str, room: str, node: str) -> None:
        """Remembers that a dataset is about to be attached there."""
        where = Attachment(room=room, node=node)
        while True:
            item, record = self._record(digest)
            if where in record.attached:
                return
            changed = DatasetRecord(
                name=record.name,
                description=record.description,
                size=record.size,
                created=record.created,
                attached=(*record.attached, where),
            )
            try:
                self._vault.put(item.item, canonical(changed), replaces=item.revision)
            except BadRequestError:
                if self._record(digest)[0].revision == item.revision:
                    raise
                # Another machine of the user has changed it meanwhile.
                continue
            return

    # --- telling ---

    def get(self, digest: str) -> dict[str, Any] | None:
        """A dataset as scripts read it, or None."""
        if not is_hex32(digest):
            return None
        item = self._vault.read(f"dataset/{digest}")
        return None if item is None else self._described(item)

    def all(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        found = [self._described(item) for item in self._vault.list("dataset")]
        return sorted(found, key=lambda dataset: str(dataset["createdAt"]), reverse=True)

    def manifest(self, digest: str) -> Manifest:
        """Raises:
        NotFoundError: there is no such dataset.
        VerificationError: the vault holds another one in its place.
        """
        item = self._vault.read(f"manifest/{_hash(digest)}")
        if item is None:
            raise _no_dataset(digest)
        manifest = decode(item.value, Manifest, what="a dataset's manifest")
        if manifest.digest() != digest:
            raise VerificationError("The vault shows another dataset than was asked for. Ask the operator why.")
        return manifest

    def key(self, digest: str) -> Key:
        """Raises:
        NotFoundError: there is no such dataset, or its key isn't kept.
        AuthorizationError: this device may not see it yet.
        """
        manifest = self.manifest(digest)
        item = self._vault.read(f"key/{digest}")
        if item is None and digest in self._unkept:
            return self._unkept[digest]
        if item is None:
            raise NotFoundError("The key of this dataset is not kept in your vault. Use the one of its upload.")
        check_key(item.value, manifest)
        return Key(item.value)

    # --- fetching and deleting ---

    def download(self, digest: str, key: Key) -> io.BufferedReader:
        """The plaintext as a stream."""
        if not isinstance(key, Key):
            raise BadRequestError("The key must be a Key. get_dataset_key() gives one that is kept.")
        manifest = self.manifest(digest)
        return open_stream(self._transfers, manifest, key)

    def delete(self, digest: str, *, force: bool) -> None:
        """Deletes a dataset: its key, its manifest, its ciphertext, and that there was one."""
        item, record = self._record(digest)
        manifest, key = self._vault.read(f"manifest/{digest}"), self._vault.read(f"key/{digest}")
        for where in () if force else record.attached:
            if self._is_attached(digest, where):
                raise BadRequestError(
                    f"The dataset is attached to the data node {where.node!r} of the room {where.room}. Take it away "
                    "there first (remove_published_dataset(), `cloister data detach`), or force it (force=True, "
                    "--force): computations that read it will fail then."
                )
        # The key first: whatever comes after may fail, and be done again.
        if key is not None:
            self._vault.remove(key)
        if manifest is not None:
            blob = decode(manifest.value, Manifest, what="a dataset's manifest").dataset
            with contextlib.suppress(NotFoundError):
                self._transfers.patience.run(lambda: self._transfers.hub.delete_blob(blob))
            self._vault.remove(manifest)
        self._vault.remove(item)

    # --- helpers ---

    def _record(self, digest: str) -> tuple[Item, DatasetRecord]:
        item = self._vault.read(f"dataset/{_hash(digest)}")
        if item is None:
            raise _no_dataset(digest)
        return item, decode(item.value, DatasetRecord, what="what is kept of a dataset")

    def _described(self, item: Item) -> dict[str, Any]:
        record = decode(item.value, DatasetRecord, what="what is kept of a dataset")
        digest = item.item.partition("/")[2]
        return {
            "id": digest,
            "manifestHash": digest,
            "name": record.name,
            "description": record.description,
            "size": record.size,
            "createdAt": datetime.fromtimestamp(record.created / 1000, UTC).isoformat(timespec="milliseconds"),
            "owner": {"email": self._email},
        }

    def _is_attached(self, digest: str, where: Attachment) -> bool:
        try:
            status = self._link(where.room).ask(ReadStatus(), RoomStatus).body
        except NotFoundError:
            return False
        return not status.stopped and any(
            (each.node, each.manifest) == (where.node, digest) for each in status.attached
        )

    def _may_keep_keys(self) -> bool:
        if self._vault.trusted:
            return True
        warnings.warn(
            "The dataset's key is not kept in your vault, and is lost with this program: this machine has not made the "
            f"vault, and only the hub says that {self._vault.id} is yours. If it is (client.vault_id says so on a "
            f"machine that you used before), set CLOISTER_VAULT={self._vault.id}. To keep no keys: "
            "SecretStoreOptions(store_key=False).",
            stacklevel=4,
        )
        return False


def open_stream(transfers: Transfers, manifest: Manifest, key: Key) -> io.BufferedReader:
    """A dataset's plaintext, verified and decrypted while it is read.

    Raises:
        DecryptionFailed: it is another key.
    """
    check_key(key.material, manifest)
    pieces = stream(transfers.hub, manifest, key.material, patience=transfers.patience)
    return io.BufferedReader(_Stream(pieces), _BUFFER)


class _Stream(io.RawIOBase):
    """Decrypted parts as a file to read from, once."""

    def __init__(self, pieces: Generator[Bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def close(self) -> None:
        self._pieces.close()
        super().close()


def _keeps_key(options: object | None) -> bool:
    """
    Raises:
        BadRequestError: they are something else than `SecretStoreOptions`.
    """
    if options is None:
        return True
    if not isinstance(options, SecretStoreOptions):
        raise BadRequestError("secret_store_options must be SecretStoreOptions(store_key=...), or None.")
    return options.store_key


def _hash(digest: str) -> str:
    if not is_hex32(digest):
        raise BadRequestError("That is not a dataset's hash: they are 64 lower-case hexadecimal digits.")
    return digest


def _no_dataset(digest: str) -> NotFoundError:
    return NotFoundError(f"You have no dataset {digest}. get_available_datasets() lists those that you have.")
