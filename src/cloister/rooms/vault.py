"""A user's vault: what they keep in the enclave for themselves. It is its log, as rooms are.

Pure. Devices come in by an identity token, visibly. The first one is *admitted*; a later one is once a device that is
admitted says so, or `RECOVERY` after it came in: until then its owner's other devices show it, and can dismiss it.
Items of the kinds in `PROTECTED` are shown to admitted devices alone, and to the one that put what is there: so an
issuer of identities that lies gets a key that was kept only in plain sight, and only where nobody looks for days.

Events name items by kind and id, nothing of their content. Overwriting an item is an event only where it outgrows the
room that was reserved for it, or where a protected one becomes that of another device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from cloister.errors import DefinitionInvalid, Refused, VerificationError
from cloister.formats.encoding import Email, Hex32, Record, Size, canonical, decode_canonical, normal_email, sha256
from cloister.rooms.decisions import CLOCK_TOLERANCE
from cloister.rooms.definition import Issuer
from cloister.rooms.events import Restored

NO_SUCH_VAULT = "There is no such vault, or this device has not proven that it is yours."
"""The one answer to outsiders and about unknown vaults: which of them it is, is not told."""

KIB = 1024
MAX_DEFINITION = 64 * KIB
"""Bytes of a vault's definition, in canonical form."""
MAX_ITEM = 16 * KIB * KIB
"""Bytes of one item."""
MAX_ITEMS = 50_000
MAX_RESERVED = 256 * KIB * KIB
"""Bytes of all items of a vault, each counted as its size rounded up to a power of two, and 4 KiB at least."""
MAX_EVENTS = 1_000_000
"""Of one vault, before it takes no more items: its log is read as a whole, and kept for good."""
MAX_DEVICES = 10_000
"""That have ever been in one vault."""
RECOVERY = 72 * 3600 * 1000
"""Milliseconds after which a device that nobody has admitted or dismissed is admitted."""
PROTECTED = frozenset({"draft", "key", "publishing"})
"""The kinds of items that only admitted devices, and the one that put them last, may see: drafts of rooms hold scripts,
and so does what of them is being published."""
_LEAST = 4 * KIB

ItemName = Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{1,32}/[0-9a-f]{64}\Z")]
"""A kind and an id: names are in the log for good, so there is no place in them for words."""


class VaultDefinition(Record, frozen=True, kw_only=True):
    """What makes a vault this vault. Its SHA-256 is the vault's id: with other issuers it is another one."""

    version: Literal[1] = 1
    nonce: Hex32
    user: Email
    issuers: tuple[Issuer, ...]
    """Who may say that a device is the user's."""

    def canonical(self) -> bytes:
        """RFC 8785 bytes."""
        return canonical(self)

    def id(self) -> str:
        """SHA-256 of the canonical definition, as hex."""
        return sha256(self.canonical()).hex()


def read_vault_definition(data: bytes, *, vault: str) -> VaultDefinition:
    """Reads and checks a vault's definition.

    Raises:
        DefinitionInvalid: it is not canonical, breaks a rule, or is not that of ``vault``.
    """
    if len(data) > MAX_DEFINITION:
        raise DefinitionInvalid(f"The vault's definition is larger than {MAX_DEFINITION // KIB} KiB.")
    if sha256(data).hex() != vault:
        raise DefinitionInvalid("The definition is not the one that this vault's id stands for.")
    try:
        definition = decode_canonical(data, VaultDefinition, what="a vault's definition")
    except VerificationError as error:
        raise DefinitionInvalid(str(error)) from None
    if definition.user != normal_email(definition.user):
        raise DefinitionInvalid("The vault's address must be written in lower case.")
    if not definition.issuers or any(not issuer.name or not issuer.keys for issuer in definition.issuers):
        raise DefinitionInvalid("The vault names no issuer of identities, or one without a name or keys.")
    return definition


# --- events ----------------------------------------------------------------------------------------------------------


class VaultOpened(Record, frozen=True, kw_only=True, tag_field="type", tag="vault_opened"):
    """The vault came to be. Always the first event, and only that."""

    definition: VaultDefinition


class DeviceBound(Record, frozen=True, kw_only=True, tag_field="type", tag="device_bound"):
    """A device came in."""

    key: Hex32
    issuer: str
    """The issuer whose identity token said that it is the user's."""


class DeviceAdmitted(Record, frozen=True, kw_only=True, tag_field="type", tag="device_admitted"):
    """An admitted device vouches for another one."""

    key: Hex32


class DeviceDismissed(Record, frozen=True, kw_only=True, tag_field="type", tag="device_dismissed"):
    """A device is out, for good."""

    key: Hex32


class ItemPut(Record, frozen=True, kw_only=True, tag_field="type", tag="item_put"):
    """An item is new, has outgrown what was reserved for it, or is another device's from now on."""

    item: ItemName
    reserved: Size
    """Bytes that it may grow to without another event."""
    request: Hex32
    """The caller's id of this request: one that is delivered again, ever so late, changes nothing."""


class ItemRemoved(Record, frozen=True, kw_only=True, tag_field="type", tag="item_removed"):
    item: ItemName


VaultBody = VaultOpened | DeviceBound | DeviceAdmitted | DeviceDismissed | ItemPut | ItemRemoved | Restored


class VaultEvent(Record, frozen=True, kw_only=True):
    """One entry of a vault's log. Its canonical JSON is the leaf of the Merkle tree."""

    version: Literal[1] = 1
    time: Size
    """Milliseconds since 1970, as in `cloister.rooms.events.Event`."""
    device: Hex32 | None
    """Whose request this follows from; None for what no device has caused."""
    body: VaultBody


# --- state -----------------------------------------------------------------------------------------------------------


@dataclass
class Device:
    """A device key that may open the vault."""

    bound_at: int
    """Milliseconds since 1970; where a restore was declared since, and nobody had admitted it, when that was."""
    admitted: bool


@dataclass(frozen=True)
class Item:
    """What the log knows of an item."""

    reserved: int
    device: str
    """That has put its value, where it is protected; others may have overwritten what isn't."""


@dataclass
class VaultState:
    """What is true of a vault after ``size`` events."""

    size: int = 0
    time: int = 0
    definition: VaultDefinition | None = None
    devices: dict[str, Device] = field(default_factory=dict)
    dismissed: set[str] = field(default_factory=set)
    items: dict[str, Item] = field(default_factory=dict)
    reserved: int = 0
    answered: set[str] = field(default_factory=set)
    """Ids of the requests that have put something: see `ItemPut`."""
    restored: Restored | None = None
    """The last restore that was declared."""

    def apply(self, event: VaultEvent) -> None:
        """Takes one event into account. Total, as `cloister.rooms.state.RoomState.apply`."""
        self.size += 1
        self.time = max(self.time, event.time)
        match event.body:
            case VaultOpened(definition=definition) if self.definition is None:
                self.definition = definition
            case DeviceBound(key=key) if key not in self.devices and key not in self.dismissed:
                self.devices[key] = Device(event.time, admitted=not self.devices and not self.dismissed)
            case DeviceAdmitted(key=key) if key in self.devices:
                self.devices[key].admitted = True
            case DeviceDismissed(key=key):
                self.devices.pop(key, None)
                self.dismissed.add(key)
            case ItemPut(item=item, reserved=reserved, request=request):
                self._forget(item)
                self.items[item] = Item(reserved, event.device or "")
                self.reserved += reserved
                self.answered.add(request)
            case ItemRemoved(item=item):
                self._forget(item)
            case Restored():
                self.restored = event.body
                for device in self.devices.values():
                    # It may have been dismissed since the backup, which nobody here knows: whoever has dismissed it
                    # gets the time to do so again.
                    if not device.admitted:
                        device.bound_at = max(device.bound_at, event.time)
            case _:
                pass

    def _forget(self, item: str) -> None:
        gone = self.items.pop(item, None)
        self.reserved -= gone.reserved if gone else 0


# --- decisions -------------------------------------------------------------------------------------------------------


def event_time(state: VaultState, now: int) -> int:
    """The time (milliseconds since 1970) to write into the next event.

    Raises:
        Refused: the host's clock is before the last event.
    """
    if now < state.time - CLOCK_TOLERANCE:
        raise Refused("failed", "The enclave's clock is behind the vault's last event. Ask the operator to set it.")
    return max(now, state.time)


def bind(state: VaultState, key: str, issuer: str) -> list[VaultBody]:
    """A device comes in, on the word of an issuer.

    Raises:
        Refused: it was dismissed, or there are too many.
    """
    if key in state.devices:
        return []
    if key in state.dismissed:
        raise Refused("forbidden", "This device was dismissed from your vault. Use another one, or a new state folder.")
    if len(state.devices) + len(state.dismissed) >= MAX_DEVICES:
        raise Refused(
            "conflict",
            f"{MAX_DEVICES} devices have been in your vault, the most that can be. Keep their state folders.",
        )
    return [DeviceBound(key=key, issuer=issuer)]


def is_admitted(state: VaultState, key: str, now: int) -> bool:
    """Whether a device may see keys that others have put (``now``: milliseconds since 1970)."""
    device = state.devices.get(key)
    return device is not None and (device.admitted or now - device.bound_at >= RECOVERY)


def admit(state: VaultState, by: str, key: str, now: int) -> list[VaultBody]:
    """A device vouches for another.

    Raises:
        Refused: there is no such device, or the one that vouches isn't admitted itself.
    """
    _require_admitted(state, by, now)
    device = _device(state, key)
    return [] if device.admitted else [DeviceAdmitted(key=key)]


def dismiss(state: VaultState, by: str, key: str, now: int) -> list[VaultBody]:
    """A device is put out. Any device may leave itself; others are put out by admitted ones.

    Raises:
        Refused: as `admit`, or it is the last admitted one.
    """
    if key in state.dismissed:
        return []
    if key != by:
        _require_admitted(state, by, now)
    _device(state, key)
    if all(each == key for each in state.devices if is_admitted(state, each, now)):
        raise Refused("conflict", "This is the last device that is admitted to your vault. Admit another one first.")
    return [DeviceDismissed(key=key)]


def restored(state: VaultState, declared: Restored) -> list[VaultBody]:
    """The operator declares that the store is an old copy. Told once for each restore."""
    if state.restored is not None and state.restored.restore == declared.restore:
        return []
    return [declared]


def put(
    state: VaultState, by: str, item: str, size: int, request: str, *, beside: Sequence[ItemPut] = ()
) -> list[ItemPut]:
    """An item gets a value of ``size`` bytes. Empty where that fits into what is reserved for it, and changes nothing
    in who may see it.

    Args:
        by: the device that puts it.
        beside: what was decided of others that are put together with it.

    Raises:
        Refused: it is too large, or there are too many.
    """
    if size > MAX_ITEM:
        raise Refused("bad_request", f"One item of a vault has at most {MAX_ITEM // KIB // KIB} MiB.")
    there = state.items.get(item)
    if there is not None and size <= there.reserved and (there.device == by or not is_protected(item)):
        return []
    if state.size >= MAX_EVENTS:
        raise Refused(
            "conflict",
            f"Your vault was changed {MAX_EVENTS} times, the most that it can be. Items can be read, removed, and "
            "overwritten by the devices that have put them; for more, ask the operator for another account.",
        )
    if there is None and len(state.items) + sum(each.item not in state.items for each in beside) >= MAX_ITEMS:
        raise Refused("conflict", f"Your vault holds {MAX_ITEMS} items, the most that it can. Delete old datasets.")
    event = ItemPut(item=item, reserved=max(_LEAST, 1 << (size - 1).bit_length()) if size else _LEAST, request=request)
    if state.reserved + sum(_growth(state, each) for each in (*beside, event)) > MAX_RESERVED:
        limit = MAX_RESERVED // KIB // KIB
        raise Refused("conflict", f"Your vault is full: it holds {limit} MiB. Delete old datasets, then try again.")
    return [event]


def _growth(state: VaultState, event: ItemPut) -> int:
    there = state.items.get(event.item)
    return event.reserved - (there.reserved if there else 0)


def check_readable(state: VaultState, item: str, key: str, now: int) -> None:
    """Whether a device may be shown an item, change it or take it out.

    Raises:
        Refused: ``not_found``, or ``forbidden`` where the device is not admitted.
    """
    there = state.items.get(item)
    if there is None:
        raise Refused("not_found", "Your vault has no such item (any more).")
    if is_protected(item) and there.device != key:
        _require_admitted(state, key, now)


def is_protected(item: str) -> bool:
    """Whether it takes an admitted device to see it, where another one has put it."""
    return item.partition("/")[0] in PROTECTED


def _require_admitted(state: VaultState, key: str, now: int) -> None:
    if is_admitted(state, key, now):
        return
    left = -(-(state.devices[key].bound_at + RECOVERY - now) // 3_600_000) if key in state.devices else 0
    raise Refused(
        "forbidden",
        f"This device ({key}) is not admitted to the keys in your vault yet. Call admit_device() with that key on a "
        f"device that is, or wait: in {left} hours it will be.",
    )


def _device(state: VaultState, key: str) -> Device:
    device = state.devices.get(key)
    if device is None:
        raise Refused("not_found", "No device of that key is in your vault. The devices are listed by vault_keys().")
    return device
