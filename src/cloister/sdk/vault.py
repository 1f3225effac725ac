"""The user's vault in the enclave: found, opened, and watched for devices that aren't the user's."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, TypeVar

from cloister.errors import BadRequestError, CloisterError, DefinitionInvalid, NotFoundError, VerificationError
from cloister.formats.encoding import Hex32, Record, canonical, decode, is_hex32, pack, sha256
from cloister.protocol import (
    AdmitDevice,
    DismissDevice,
    Done,
    Item,
    Items,
    ListItems,
    OpenVault,
    PutItem,
    PutItems,
    ReadItem,
    RemoveItem,
    VaultBody,
    VaultDevice,
    VaultStatus,
)
from cloister.rooms.definition import Issuer
from cloister.rooms.vault import VaultDefinition, read_vault_definition
from cloister.sdk.folder import StateFolder
from cloister.sdk.link import RoomLink, Told
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience

T = TypeVar("T")

_FOLDER = "vaults"


class _Remembered(Record, frozen=True, kw_only=True):
    """What this machine knows of the vault: which it is, and the devices that it has told the user of."""

    version: Literal[1] = 1
    definition: bytes
    devices: tuple[Hex32, ...]
    trusted: bool
    """Whether the user's keys may be put there: see `Vault.trusted`."""


class Vault:
    """One user's vault. Threads may share it. It is opened when it is first used.

    Raises, in all methods:
        VerificationError: it is not the vault that it should be, or it was rolled back.
        EnclaveError, ApiError: as `RoomLink.ask`.
    """

    def __init__(
        self,
        hub: Hub,
        folder: StateFolder,
        email: str,
        device: str,
        link: Callable[[str], RoomLink],
        issuer: Callable[[], Issuer],
        *,
        patience: Patience,
        named: str | None = None,
    ) -> None:
        """
        Args:
            device: this machine's public key, in hex.
            link: makes the way to a vault.
            issuer: the issuer that a new vault is to believe.
            named: the id that the user has given.
        """
        self._hub = hub
        self._folder = folder
        self._email = email
        self._device = device
        self._make_link = link
        self._issuer = issuer
        self._patience = patience
        self._named = named
        digest = sha256(pack("cloister/vault-file/v1", hub.url.encode(), email.encode())).hex()
        self._file = f"{_FOLDER}/{digest}.json"
        self._lock = threading.Lock()
        self._link: RoomLink | None = None
        self._signing: bytes | None = None
        self._trusted = False

    @property
    def id(self) -> str:
        """Which vault it is."""
        return self.open().room

    @property
    def trusted(self) -> bool:
        """Whether it is surely the user's own: this machine was alone in it once, or the user has named it.

        On a new machine it is the hub that says which vault is the user's. One that lies would show a vault of its
        own, where it could read what is put.
        """
        self.open()
        return self._trusted

    def open(self) -> RoomLink:
        """The way to the opened vault."""
        with self._lock:
            if self._link is None:
                self._link = self._open()
            return self._link

    def devices(self) -> tuple[VaultDevice, ...]:
        """All devices that may open it, in the order in which they came."""
        definition = self._find(self._recall())
        return self._ask(OpenVault(definition=definition.canonical()), VaultStatus).devices

    def admit(self, key: str) -> None:
        """Lets a device see the keys that others have put."""
        self._ask(AdmitDevice(key=_hex_key(key)), Done)
        # The user knows of it.
        self._remember(self._find(self._recall()), self.devices())

    def dismiss(self, key: str) -> None:
        """Puts a device out for good."""
        self._ask(DismissDevice(key=_hex_key(key)), Done)

    def put(self, item: str, value: bytes, *, replaces: str | None = None) -> str:
        """Puts an item there; its revision.

        Args:
            replaces: the revision that it takes the place of; None for an item that isn't there.

        Raises:
            BadRequestError: there is another revision by now, or the vault is full.
        """
        request = os.urandom(32).hex()
        self._ask(PutItem(item=item, value=value, request=request, replaces=replaces), Done)
        return request

    def put_new(self, values: Mapping[str, bytes], *, blobs: Mapping[str, str] | None = None) -> None:
        """Puts items there that belong together, none of which is there yet: all of them or none, in one request.

        Args:
            blobs: for names in ``values``, what the hub is to keep for as long.

        Raises:
            BadRequestError: the vault is full.
        """
        held = blobs or {}
        items = tuple(
            PutItem(item=item, value=value, request=os.urandom(32).hex(), blob=held.get(item))
            for item, value in values.items()
        )
        self._ask(PutItems(items=items), Done)

    def read(self, item: str) -> Item | None:
        """An item, or None.

        Raises:
            AuthorizationError: this device may not see it yet.
        """
        try:
            items = self._ask(ReadItem(item=item), Items).items
        except NotFoundError:
            return None
        if len(items) != 1 or items[0].item != item:
            raise VerificationError("The enclave has shown something else than was asked for. Update the client.")
        return items[0]

    def list(self, kind: str) -> Iterator[Item]:
        """All items of one kind that this device may see, in the order of their names."""
        after, more = "", True
        while more:
            answer = self._ask(ListItems(kind=kind, after=after), Items)
            names = [after, *(item.item for item in answer.items)]
            if names != sorted(set(names)) or (answer.more and not answer.items):
                raise VerificationError("The enclave has shown a list that is not one. Update the client.")
            yield from answer.items
            after, more = names[-1], answer.more

    def remove(self, item: Item) -> None:
        """Takes an item out, unless it was changed since."""
        self._ask(RemoveItem(item=item.item, revision=item.revision), Done)

    def _ask(self, body: VaultBody, kind: type[T]) -> T:
        """Asks the very enclave that has shown before that its log of the vault goes on from all that was seen.

        A hub that leads to another one of the same software, where it has put up the same vault for itself, gets
        nothing that way.
        """
        return self.open().ask(body, kind, signing=self._signing).body

    # --- finding and opening ---

    def _open(self) -> RoomLink:
        known = self._recall()
        definition = self._find(known)
        try:
            link, told = self._opened(definition)
        except NotFoundError:
            if known is None or not self._is_set_up_anew(definition):
                raise
            known, definition = None, self._find(None)
            link, told = self._opened(definition)
        known = known or self._recall_elsewhere(definition)
        self._signing, devices = told.trusted.keys.signing, told.body.devices
        trusted = definition.id() == self._named or (known is not None and known.trusted)
        # Whoever was here first and let others in might have let in itself; nobody has if this machine is alone.
        self._trusted = trusted or [each.key for each in devices if each.admitted] == [self._device]
        if known is not None:
            self._warn(device for device in devices if device.key not in (*known.devices, self._device))
        self._remember(definition, devices)
        return link

    def _opened(self, definition: VaultDefinition) -> tuple[RoomLink, Told[VaultStatus]]:
        link = self._make_link(definition.id())
        return link, link.ask(OpenVault(definition=definition.canonical()), VaultStatus)

    def _is_set_up_anew(self, gone: VaultDefinition) -> bool:
        """Whether the remembered vault is gone because there is another installation at this address now.

        A hub that only says so gets no key by that: into a vault of its own making none is put. But the user is not to
        lose all that they have kept without a word. On this machine trials come and go; elsewhere it is for the user.

        Raises:
            VerificationError: it is so, and the hub is not on this machine.
        """
        with contextlib.suppress(NotFoundError):
            if sha256(self._patience.run(self._hub.vault).encode()).hex() == gone.id():
                return False
        told = f"Your vault {gone.id()}, which this machine has used at {self._hub.url}, is not there any more. "
        if not self._hub.on_this_machine:
            raise VerificationError(
                f"{told}Either everything was set up anew, or the hub hides it. Ask the operator; if they tell you so "
                f"in a way that you trust, delete {self._folder.path / self._file} to begin with a new vault."
            )
        warnings.warn(
            f"{told}If everything was set up anew, all is well: you have a new one. If not, something is wrong.",
            stacklevel=6,
        )
        return True

    def _find(self, known: _Remembered | None) -> VaultDefinition:
        """Which vault is the user's: as remembered, else as the hub says, else a new one."""
        data = known.definition if known is not None else self._from_hub()
        digest = sha256(data).hex()
        if self._named is not None and digest != self._named:
            raise VerificationError(
                f"The hub shows another vault than the one that you have named: {digest}. Nothing was sent to it. "
                "Check CLOISTER_VAULT; if it is right, ask the operator why."
            )
        try:
            definition = read_vault_definition(data, vault=digest)
        except DefinitionInvalid as error:
            raise VerificationError(f"The hub shows a vault that can't be: {error}") from None
        if definition.user != self._email:
            raise VerificationError(f"The hub shows the vault of {definition.user} as yours. Ask the operator why.")
        return definition

    def _from_hub(self) -> bytes:
        try:
            return self._patience.run(self._hub.vault).encode()
        except NotFoundError:
            pass
        if self._named is not None:
            raise NotFoundError("The hub knows of no vault of yours, and you have named one in CLOISTER_VAULT.")
        nonce = os.urandom(32).hex()
        fresh = VaultDefinition(nonce=nonce, user=self._email, issuers=(self._issuer(),)).canonical()
        try:
            self._patience.run(lambda: self._hub.enter_vault(fresh.decode("ascii")))
        except BadRequestError:
            # Another machine of the user was faster.
            return self._patience.run(self._hub.vault).encode()
        return fresh

    @staticmethod
    def _warn(unknown: Iterator[VaultDevice]) -> None:
        for device in unknown:
            since = datetime.fromtimestamp(device.bound_at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
            warnings.warn(
                f"Another device is in your vault since {since}: {device.key}. If it is yours, admit_device() "
                "(`cloister vault admit`) lets it see the keys that you keep there. If not, dismiss_device() "
                "(`cloister vault dismiss`) puts it out: do so before it is admitted by itself, and ask the hub's "
                "operator who has used your account.",
                stacklevel=6,
            )

    # --- remembering ---

    def _recall_elsewhere(self, definition: VaultDefinition) -> _Remembered | None:
        """What is known of the very same vault, where its hub had another address."""
        for file in sorted((self._folder.path / _FOLDER).glob("*.json")):
            with contextlib.suppress(OSError, VerificationError):
                known = decode(file.read_bytes(), _Remembered, what="a remembered vault")
                if known.definition == definition.canonical():
                    return known
        return None

    def _recall(self) -> _Remembered | None:
        try:
            stored = self._folder.read(self._file)
        except OSError:
            return None
        if stored is None:
            return None
        try:
            return decode(stored, _Remembered, what="a remembered vault")
        except VerificationError:
            raise CloisterError(
                f"What this machine remembers of your vault is damaged. Restore {self._folder.path / self._file} from "
                "a backup, or delete it to trust what the hub says."
            ) from None

    def _remember(self, definition: VaultDefinition, devices: tuple[VaultDevice, ...]) -> None:
        record = _Remembered(
            definition=definition.canonical(),
            devices=tuple(device.key for device in devices),
            trusted=self._trusted,
        )
        try:
            with self._folder.locked(_FOLDER):
                self._folder.write(self._file, canonical(record))
        except OSError:
            # The next process will ask the hub again.
            pass


def _hex_key(key: str) -> str:
    if not is_hex32(key):
        raise BadRequestError("That is not a device key: they are 64 lower-case hexadecimal digits.")
    return key
