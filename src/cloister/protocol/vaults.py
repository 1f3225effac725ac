"""What users ask of their vaults, and what they are answered."""

from __future__ import annotations

from typing import Annotated

import msgspec

from cloister.formats.encoding import Hex32, Record, Size
from cloister.rooms.vault import ItemName


class OpenVault(Record, frozen=True, kw_only=True, tag_field="type", tag="open_vault"):
    """Opens a vault, which comes to be where it isn't there yet. Answered with `VaultStatus`."""

    definition: bytes
    """Canonical JSON."""


class PutItem(Record, frozen=True, kw_only=True, tag_field="type", tag="put_item"):
    """Puts an item into the vault. Answered with `Done`.

    A request that is delivered again, ever so late, changes nothing: it creates what isn't there, once, or replaces
    the very revision that it names.
    """

    item: ItemName
    value: bytes
    request: Hex32
    """Chosen by the caller; the item's revision from then on."""
    replaces: Hex32 | None = None
    """The revision that it takes the place of; None for an item that isn't there."""
    blob: Hex32 | None = None
    """What the hub is to keep for as long as the item is there."""


class PutItems(Record, frozen=True, kw_only=True, tag_field="type", tag="put_items"):
    """Puts items into the vault that belong together, all of them or none. Answered with `Done`."""

    items: Annotated[tuple[PutItem, ...], msgspec.Meta(min_length=1, max_length=16)]
    """Of different names."""


class ReadItem(Record, frozen=True, kw_only=True, tag_field="type", tag="read_item"):
    """Answered with `Items`: the one item."""

    item: ItemName


class ListItems(Record, frozen=True, kw_only=True, tag_field="type", tag="list_items"):
    """Answered with `Items`: those of one kind, in the order of their names; as many as fit into an answer."""

    kind: Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{1,32}\Z")]
    after: str = ""
    """The name that the list goes on behind."""


class RemoveItem(Record, frozen=True, kw_only=True, tag_field="type", tag="remove_item"):
    """Answered with `Done`, also where the item is not there."""

    item: ItemName
    revision: Hex32
    """The one that is meant: an item that was put there since stays."""


class AdmitDevice(Record, frozen=True, kw_only=True, tag_field="type", tag="admit_device"):
    """Lets another of the user's devices see the keys that are kept. Answered with `Done`."""

    key: Hex32


class DismissDevice(Record, frozen=True, kw_only=True, tag_field="type", tag="dismiss_device"):
    """Puts a device out of the vault, for good. Answered with `Done`."""

    key: Hex32


VaultBody = OpenVault | PutItem | PutItems | ReadItem | ListItems | RemoveItem | AdmitDevice | DismissDevice


class VaultDevice(Record, frozen=True, kw_only=True):
    """A device that may open the vault."""

    key: Hex32
    bound_at: Size
    """Milliseconds since 1970."""
    admitted: bool
    """Whether it may see keys that other devices have put."""


class VaultStatus(Record, frozen=True, kw_only=True, tag_field="type", tag="vault_status"):
    devices: tuple[VaultDevice, ...]
    """In the order in which they came."""


class Item(Record, frozen=True, kw_only=True):
    item: ItemName
    revision: Hex32
    value: bytes


class Items(Record, frozen=True, kw_only=True, tag_field="type", tag="items"):
    items: tuple[Item, ...]
    more: bool = False
    """Whether the list goes on behind the last of them."""
