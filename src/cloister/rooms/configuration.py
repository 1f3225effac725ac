"""A room as its author writes it: what is exported, imported, compared and tested, before an enclave and a hub have
added what they know."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from cloister.errors import DefinitionInvalid, VerificationError
from cloister.formats.encoding import Email, Record, canonical, decode, sha256
from cloister.rooms.definition import MAX_BYTES, Definition, Participant
from cloister.rooms.nodes import Node


class Configuration(Record, frozen=True, kw_only=True):
    """All that stands in a room's definition by the will of its author."""

    format: Literal["cloister-room"] = "cloister-room"
    version: Literal[1] = 1
    title: str
    description: str = ""
    owner: Email
    participants: tuple[Participant, ...]
    nodes: tuple[Node, ...]
    """Of environments, with or without the lock: without it the newest packages that fit are looked up at publishing.
    """
    pins_required: bool = False
    privacy_budget: float | UnsetType = UNSET

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, as hex: the same for everything that says the same."""
        return sha256(canonical(self)).hex()


def configuration_of(definition: Definition) -> Configuration:
    """What the author of a published room has written, with the locks that publishing has led to."""
    return Configuration(
        title=definition.title,
        description=definition.description,
        owner=definition.owner,
        participants=definition.participants,
        nodes=definition.nodes,
        pins_required=definition.pins_required,
        privacy_budget=definition.privacy_budget,
    )


def write_configuration(configuration: Configuration) -> str:
    """The JSON that is exported: indented, so that people can compare two."""
    return msgspec.json.format(canonical(configuration), indent=2).decode() + "\n"


def read_configuration(text: str | bytes) -> Configuration:
    """Reads JSON that was exported, whoever it comes from. Whether the nodes keep the rules is not looked at yet.

    Raises:
        DefinitionInvalid: it is no such JSON; the message says why.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise DefinitionInvalid("The configuration has characters that no text in UTF-8 has.") from None
    if len(data) > MAX_BYTES:
        raise DefinitionInvalid(f"The configuration is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    try:
        return decode(data, Configuration, what="the configuration of a room")
    except VerificationError as error:
        raise DefinitionInvalid(str(error)) from None
