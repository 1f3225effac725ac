"""Users' vaults: a log each, the state that it folds into, and the items beside it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET

from cloister.enclave.declaration import read_declaration
from cloister.enclave.limits import Meter
from cloister.enclave.storage_key import blob_label, secret_label
from cloister.enclave.store import OutcomeUnknown, SealedStore
from cloister.errors import DefinitionInvalid, LogTampered, Refused, VerificationError
from cloister.formats.checkpoint import Checkpoint, sign_checkpoint
from cloister.formats.encoding import Hex32, Record, canonical, decode, decode_canonical, normal_email
from cloister.formats.merkle import MerkleTree
from cloister.formats.sealed import open_row, open_secret, seal_row, seal_secret
from cloister.protocol import (
    AdmitDevice,
    Answer,
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
    Request,
    VaultBody,
    VaultDevice,
    VaultStatus,
)
from cloister.rooms import vault as rules
from cloister.rooms.vault import NO_SUCH_VAULT, VaultDefinition, VaultEvent, VaultState, read_vault_definition
from cloister.trust.identity import verify_identity

LISTED_BYTES = 8 * 1024 * 1024
"""Of values in one answer; the rest is asked for."""
_LOADING = 2
"""Vaults that are read at once, in threads of their own, as rooms are."""


class StoredItem(Record, frozen=True, kw_only=True):
    """Secret named as the item."""

    revision: Hex32
    """The request that has put this value."""
    value: bytes


class Vault:
    """The single writer of one vault's log. Decisions and the appends that follow from them hold `lock`."""

    def __init__(self, vault: str, store: SealedStore, key: bytes, signing: Ed25519PrivateKey) -> None:
        self.id = vault
        # Apart from rooms: who asks for a room by the id of a vault, or the other way round, finds nothing.
        self.place = f"vault/{vault}"
        self.lock = asyncio.Lock()
        self.is_loaded = False
        """Whether what is in memory is what the store has."""
        self.state = VaultState()
        self._store = store
        self._key = key
        self._signing = signing
        self._tree = MerkleTree()

    @property
    def memory(self) -> int:
        """About how many bytes of memory the vault takes."""
        return 10_000 + 300 * len(self._tree) + 600 * len(self.state.items)

    def load(self) -> None:
        """Reads the log from the store and folds it.

        Raises:
            LogTampered: a row was changed, moved or taken out. The vault stays closed.
        """
        tree, state = MerkleTree(), VaultState()
        try:
            for index, row in enumerate(self._store.read(self.place)):
                data = open_row(self._key, self.place, index, tree.root(), row)
                state.apply(decode_canonical(data, VaultEvent, what="an event of a vault"))
                tree.append(data)
        except VerificationError as error:
            raise _changed(error) from None
        self._tree, self.state = tree, state

    async def append(
        self,
        *events: VaultEvent,
        put: Mapping[str, StoredItem] | None = None,
        holds: Mapping[str, str] | None = None,
        delete: str | None = None,
    ) -> None:
        """Writes events, and changes items with them, all or nothing; on disk when it returns.

        Args:
            put: items by name; there may be no event where only values change.
            holds: for names in ``put``, the blob that the hub is to keep for as long as the item is there.

        Raises:
            StoreFailed: it was not written; or that isn't known, and the log is to be loaded anew.
        """
        entries = [canonical(event) for event in events]
        size = len(self._tree)
        rows = [
            seal_row(self._key, self.place, size + offset, root, entry)
            for offset, (root, entry) in enumerate(zip(self._tree.roots_before(entries), entries, strict=True))
        ]
        sealed = {self._label(name): self._seal(name, value) for name, value in (put or {}).items()}
        held = {self._label(name): blob_label(self._key, blob) for name, blob in (holds or {}).items()}
        gone = () if delete is None else (self._label(delete),)
        write = asyncio.ensure_future(
            asyncio.to_thread(self._store.append, self.place, size, rows, put=sealed, holds=held, delete=gone)
        )
        try:
            # Whoever asked may go, but the write goes on: what is on disk must be what is in memory.
            await asyncio.shield(write)
        finally:
            await asyncio.wait([write])
            self._take(write, events, entries)

    def _take(self, write: asyncio.Future[None], events: Sequence[VaultEvent], entries: Sequence[bytes]) -> None:
        if write.exception() is not None:
            self.is_loaded &= not isinstance(write.exception(), OutcomeUnknown)
            return
        for event, entry in zip(events, entries, strict=True):
            self._tree.append(entry)
            self.state.apply(event)

    async def item(self, name: str) -> StoredItem | None:
        """An item's value, or None.

        Raises:
            LogTampered: it was changed in the store.
        """
        if name not in self.state.items:
            return None
        sealed = await asyncio.to_thread(self._store.secret, self.place, self._label(name))
        if sealed is None:
            raise LogTampered("An item is gone from the store of the enclave. Ask the operator to restore the store.")
        try:
            return decode(open_secret(self._key, self.place, name, sealed), StoredItem, what="an item of a vault")
        except VerificationError as error:
            raise _changed(error) from None

    def answer(self, request: Request, body: Done | VaultStatus | Items) -> Answer:
        """An answer with the log's signed checkpoint, and the proof that it extends what the client has seen."""
        size, root = len(self._tree), self._tree.root()
        seen = request.seen
        return Answer(
            body=body,
            checkpoint=sign_checkpoint(Checkpoint(self.id, size, root), self._signing),
            consistency=tuple(self._tree.consistency_proof(seen)) if seen <= size else (),
            restored=self.state.restored or UNSET,
        )

    def _seal(self, name: str, value: StoredItem) -> bytes:
        return seal_secret(self._key, self.place, name, canonical(value))

    def _label(self, name: str) -> str:
        return secret_label(self._key, self.place, name)


class Vaults:
    """All users' vaults."""

    def __init__(
        self,
        store: SealedStore,
        key: bytes,
        signing: Ed25519PrivateKey,
        clock: Callable[[], int],
        meter: Meter,
        monotonic: Callable[[], float],
        memory_bytes: int,
    ) -> None:
        """``memory_bytes``: what vaults may take together while nobody asks for them, as `Vault.memory` has it."""
        self._store = store
        self._key = key
        self._signing = signing
        self._clock = clock
        self._meter = meter
        self._monotonic = monotonic
        # In use by somebody, or asked for lately: never two of one vault.
        self._there: WeakValueDictionary[str, Vault] = WeakValueDictionary()
        self._lately: OrderedDict[str, tuple[Vault, int]] = OrderedDict()
        """With what each took in memory when it was used last."""
        self._memory = 0
        self._memory_bytes = memory_bytes
        self._threads = ThreadPoolExecutor(_LOADING, thread_name_prefix="cloister-vaults")

    async def answer(self, request: Request, device: bytes | None, body: VaultBody, account: str = "") -> Answer:
        """The answer to a request about a vault. ``account``: as in `Service.answer`.

        Raises:
            Refused: ``not_found`` to all but the vault's user, in the same words whether it is there or not.
            LogTampered: its log was changed in the store.
        """
        if request.room is None or device is None or request.user is None:
            raise Refused("not_found", NO_SUCH_VAULT)
        vault = self._there.get(request.room)
        if vault is None:
            vault = self._there[request.room] = Vault(request.room, self._store, self._key, self._signing)
        async with vault.lock:
            if not vault.is_loaded:
                await asyncio.get_running_loop().run_in_executor(self._threads, vault.load)
                await self._tell_of_restore(vault)
                vault.is_loaded = True
            await self._authenticate(vault, request, device, body, account)
            try:
                return vault.answer(request, await self._decide(vault, device.hex(), body))
            finally:
                self._keep(vault)

    def _keep(self, vault: Vault) -> None:
        _, before = self._lately.pop(vault.id, (vault, 0))
        self._lately[vault.id] = vault, vault.memory
        self._memory += vault.memory - before
        while self._memory > self._memory_bytes and len(self._lately) > 1:
            _, (_, freed) = self._lately.popitem(last=False)
            self._memory -= freed

    async def _tell_of_restore(self, vault: Vault) -> None:
        """Writes into the log that the operator has declared its store an old copy, where that is so."""
        if vault.state.definition is None:
            return
        declared = await asyncio.to_thread(read_declaration, self._store, vault.place)
        for event in rules.restored(vault.state, declared) if declared else ():
            await vault.append(self._event(vault, None, event))

    async def _authenticate(self, vault: Vault, request: Request, device: bytes, body: VaultBody, account: str) -> None:
        """Lets the vault's user pass. Makes the vault where it isn't there and that was asked for, and binds the
        device key where an identity token says so."""
        stranger = Refused("not_found", NO_SUCH_VAULT)
        definition = vault.state.definition
        if definition is None:
            if not isinstance(body, OpenVault):
                raise stranger
            try:
                definition = read_vault_definition(body.definition, vault=vault.id)
            except DefinitionInvalid:
                raise stranger from None
        if definition.user != normal_email(request.user or ""):
            raise stranger
        key = device.hex()
        if key in vault.state.devices:
            return
        issuer = self._identify(definition, device, request.token)
        if issuer is None:
            raise stranger
        if vault.state.definition is None:
            self._meter.vault(account or definition.user, self._monotonic())
            await vault.append(self._event(vault, key, rules.VaultOpened(definition=definition)))
        for event in rules.bind(vault.state, key, issuer):
            await vault.append(self._event(vault, key, event))

    def _identify(self, definition: VaultDefinition, device: bytes, token: str | None) -> str | None:
        """The issuer that vouches that the device key is the user's, if one does."""
        if token is None:
            return None
        try:
            email, issuer = verify_identity(token, device, definition.issuers, now=self._clock() // 1000)
        except VerificationError:
            return None
        return issuer if email == definition.user else None

    async def _decide(self, vault: Vault, key: str, body: VaultBody) -> Done | VaultStatus | Items:
        """Decides and appends. The vault's lock is held."""
        state, now = vault.state, self._clock()
        match body:
            case OpenVault():
                return self._status(vault)
            case PutItem():
                await self._put(vault, key, (body,))
            case PutItems(items=items):
                await self._put(vault, key, items)
            case ReadItem(item=name):
                rules.check_readable(state, name, key, now)
                return Items(items=(await self._shown(vault, name),))
            case ListItems():
                return await self._list(vault, key, body)
            case RemoveItem(item=name, revision=revision):
                stored = await vault.item(name)
                if stored is not None and stored.revision == revision:
                    rules.check_readable(state, name, key, now)
                    await vault.append(self._event(vault, key, rules.ItemRemoved(item=name)), delete=name)
            case AdmitDevice(key=other):
                for event in rules.admit(state, key, other, now):
                    await vault.append(self._event(vault, key, event))
            case DismissDevice(key=other):
                for event in rules.dismiss(state, key, other, now):
                    await vault.append(self._event(vault, key, event))
        return Done()

    async def _put(self, vault: Vault, key: str, wanted: tuple[PutItem, ...]) -> None:
        if len({each.item for each in wanted}) < len(wanted):
            raise Refused("bad_request", "The request names an item twice. Update the client.")
        puts: list[rules.ItemPut] = []
        values: dict[str, StoredItem] = {}
        holds: dict[str, str] = {}
        for each in wanted:
            self._meter.change(vault.place, key, self._monotonic())
            # 1. It was not answered before.
            stored = await vault.item(each.item)
            if each.request in vault.state.answered or (stored is not None and stored.revision == each.request):
                continue
            # 2. It says what is there now.
            if each.replaces != (None if stored is None else stored.revision):
                raise Refused(
                    "conflict", "The item was changed from somewhere else meanwhile. Read it again, then change it."
                )
            if stored is not None:
                rules.check_readable(vault.state, each.item, key, self._clock())
            # 3. There is room for it.
            puts += rules.put(vault.state, key, each.item, len(each.value), each.request, beside=puts)
            values[each.item] = StoredItem(revision=each.request, value=each.value)
            if each.blob is not None:
                holds[each.item] = each.blob
        if values:
            await vault.append(*(self._event(vault, key, event) for event in puts), put=values, holds=holds)

    async def _list(self, vault: Vault, key: str, body: ListItems) -> Items:
        """Whole items, one at least, and then as many as fit. Those that the device may not see are left out."""
        now = self._clock()
        protected = body.kind in rules.PROTECTED and not rules.is_admitted(vault.state, key, now)
        names = sorted(
            name
            for name, item in vault.state.items.items()
            if name.startswith(f"{body.kind}/") and name > body.after and not (protected and item.device != key)
        )
        items: list[Item] = []
        size = 0
        for name in names:
            shown = await self._shown(vault, name)
            size += len(shown.value)
            if items and size > LISTED_BYTES:
                return Items(items=tuple(items), more=True)
            items.append(shown)
        return Items(items=tuple(items))

    @staticmethod
    async def _shown(vault: Vault, name: str) -> Item:
        stored = await vault.item(name)
        assert stored is not None  # it is in the state, and the lock is held
        return Item(item=name, revision=stored.revision, value=stored.value)

    def _status(self, vault: Vault) -> VaultStatus:
        now = self._clock()
        return VaultStatus(
            devices=tuple(
                VaultDevice(key=key, bound_at=device.bound_at, admitted=rules.is_admitted(vault.state, key, now))
                for key, device in vault.state.devices.items()
            )
        )

    def _event(self, vault: Vault, key: str | None, body: rules.VaultBody) -> VaultEvent:
        return VaultEvent(time=rules.event_time(vault.state, self._clock()), device=key, body=body)


def _changed(error: VerificationError) -> LogTampered:
    return LogTampered(
        f"What the enclave has stored of this vault was changed: {error} Ask the operator to restore the store."
    )
