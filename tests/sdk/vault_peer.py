"""Vaults of the small enclave: the real rules over lists in memory."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.errors import Refused
from cloister.formats.checkpoint import Checkpoint, sign_checkpoint
from cloister.formats.encoding import canonical
from cloister.formats.merkle import MerkleTree
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
from cloister.rooms.vault import NO_SUCH_VAULT, VaultEvent, VaultState, read_vault_definition

START = 1_700_000_000_000


class PeerVault:
    """One vault."""

    def __init__(self, vault: str) -> None:
        self.id = vault
        self.state = VaultState()
        self.tree = MerkleTree()
        self.items: dict[str, Item] = {}
        self.now = START

    def append(self, device: str, body: rules.VaultBody) -> None:
        event = VaultEvent(time=self.now, device=device, body=body)
        self.tree.append(canonical(event))
        self.state.apply(event)

    def answer(
        self, request: Request, body: VaultBody, device: str, signing: Ed25519PrivateKey, *, page: int
    ) -> Answer:
        """Decides, and answers."""
        if self.state.definition is None and isinstance(body, OpenVault):
            definition = read_vault_definition(body.definition, vault=self.id)
            if request.token == f"{definition.user} has {device}" and request.user == definition.user:
                self.append(device, rules.VaultOpened(definition=definition))
        known = self.state.definition
        if known is None or request.user != known.user:
            raise Refused("not_found", NO_SUCH_VAULT)
        if device not in self.state.devices:
            if request.token != f"{known.user} has {device}":
                raise Refused("not_found", NO_SUCH_VAULT)
            for event in rules.bind(self.state, device, known.issuers[0].name):
                self.append(device, event)
        said = self._decide(device, body, page)
        note = sign_checkpoint(Checkpoint(self.id, len(self.tree), self.tree.root()), signing)
        proof = self.tree.consistency_proof(request.seen) if request.seen <= len(self.tree) else []
        return Answer(body=said, checkpoint=note, consistency=tuple(proof))

    def _decide(self, device: str, body: VaultBody, page: int) -> Done | VaultStatus | Items:
        state = self.state
        match body:
            case OpenVault():
                return VaultStatus(
                    devices=tuple(
                        VaultDevice(key=key, bound_at=each.bound_at, admitted=rules.is_admitted(state, key, self.now))
                        for key, each in state.devices.items()
                    )
                )
            case PutItem(item=name, value=value, request=wish):
                there = self.items.get(name)
                if body.replaces != (there.revision if there else None):
                    raise Refused("conflict", "The item was changed from somewhere else meanwhile.")
                for put in rules.put(state, device, name, len(value), wish):
                    self.append(device, put)
                self.items[name] = Item(item=name, revision=wish, value=value)
            case PutItems(items=items):
                for each in items:
                    self._decide(device, each, page)
            case ReadItem(item=name):
                rules.check_readable(state, name, device, self.now)
                return Items(items=(self.items[name],))
            case ListItems(kind=kind, after=after):
                names = [name for name in sorted(self.items) if name.startswith(f"{kind}/") and name > after]
                return Items(items=tuple(self.items[name] for name in names[:page]), more=len(names) > page)
            case RemoveItem(item=name, revision=revision):
                if name in self.items and self.items[name].revision == revision:
                    self.append(device, rules.ItemRemoved(item=name))
                    del self.items[name]
            case AdmitDevice(key=key):
                for event in rules.admit(state, device, key, self.now):
                    self.append(device, event)
            case DismissDevice(key=key):
                for event in rules.dismiss(state, device, key, self.now):
                    self.append(device, event)
        return Done()
