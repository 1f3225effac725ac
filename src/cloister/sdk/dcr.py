"""A published room, as one of its participants sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from cloister.errors import BadRequestError, EvidenceRejected, ReceiptInvalid
from cloister.formats.encoding import is_hex32
from cloister.formats.receipt import ReceiptBody, read_receipt
from cloister.protocol import Done, ReadStatus, RoomStatus, StopRoom, UnbindKey
from cloister.rooms.audit import audit_text
from cloister.rooms.configuration import configuration_of, write_configuration
from cloister.rooms.definition import Definition
from cloister.rooms.nodes import RawDataNode
from cloister.sdk.bound_keys import bound_keys
from cloister.sdk.definitions import NodeDefinition, definition_of
from cloister.sdk.high_level import high_level
from cloister.sdk.link import RoomLink
from cloister.sdk.nodes import Node, RoomContext, node_of
from cloister.sdk.results import check_body, check_log
from cloister.sdk.room_log import read_log
from cloister.sdk.specifications import Accepted
from cloister.trust import software

if TYPE_CHECKING:
    from cloister.sdk.client import Client


class AnalyticsDcr:
    """A data clean room."""

    def __init__(self, client: Client, context: RoomContext) -> None:
        self._client = client
        self._context = context
        self._nodes = {record.name: node_of(context, record) for record in context.definition.nodes}

    @property
    def client(self) -> Client:
        """Who looks at it."""
        return self._client

    @property
    def id(self) -> str:
        """SHA-256 of the definition."""
        return self._context.link.room

    @property
    def definition(self) -> Definition:
        """All that the participants have agreed to."""
        return self._context.definition

    @property
    def name(self) -> str:
        """The room's title."""
        return self._context.definition.title

    @property
    def description(self) -> str:
        """What the room is for."""
        return self._context.definition.description

    @property
    def owner(self) -> str:
        """Who may stop the room."""
        return self._context.definition.owner

    @property
    def node_definitions(self) -> list[NodeDefinition]:
        """All nodes as they were published, in that order."""
        return [definition_of(record) for record in self._context.definition.nodes]

    @property
    def high_level(self) -> dict[str, Any]:
        """The definition as nested JSON values."""
        return high_level(self._context.definition)

    def _get_high_level_representation(self) -> dict[str, Any]:
        return self.high_level

    def to_json(self) -> str:
        """The room's configuration, to publish another like it: see `AnalyticsDcrDefinition.from_json`."""
        return write_configuration(configuration_of(self._context.definition))

    def participants(self) -> list[str]:
        """Everybody's email."""
        return [entry.user for entry in self._context.definition.participants]

    def get_node(self, name: str) -> Node | None:
        """The node of that name, or None."""
        return self._nodes.get(name)

    def bound_keys(self) -> dict[str, list[str]]:
        """The device keys (hex) that speak for each participant: look before you attach data."""
        return bound_keys(self.status().keys)

    def unbind_key(self, key: str) -> None:
        """Ends one of your own device keys in this room (hex, as `bound_keys` shows it), for good: a lost device.

        Everybody sees it in the log. Nobody brings the key back, not the hub either; also before it was ever bound.

        Raises:
            BadRequestError: that is no key, or this machine's own.
        """
        if not is_hex32(key):
            raise BadRequestError("That is not a device key: keys are 64 lower-case hexadecimal digits.")
        self._context.link.ask(UnbindKey(key=key), Done)

    def status(self) -> RoomStatus:
        """Whether it was stopped, which data nodes have data, and whose keys are bound."""
        return self._context.link.ask(ReadStatus(), RoomStatus).body

    def privacy_ledger(self) -> dict[str, float]:
        """The epsilon that computations have cost each data node so far, by its id; runs that are under way count."""
        spent = self.status().privacy
        return {} if spent is UNSET else {each.node: each.epsilon for each in spent}

    def retrieve_audit_log(self) -> str:
        """Everything that has happened in the room, one event a line, five comma-separated fields.

        Raises:
            LogTampered: the events are not the ones that the enclave has signed.
        """
        return audit_text(read_log(self._context.link)[1])

    def audit_events(self) -> list[dict[str, Any]]:
        """The same, as JSON values: the records that the enclave has signed, as docs/formats.md describes them.

        Raises:
            LogTampered: the events are not the ones that the enclave has signed.
        """
        return [msgspec.to_builtins(event) for event in read_log(self._context.link)[1]]

    def verify_receipt(self, receipt: bytes) -> ReceiptBody:
        """Checks a receipt (DSSE JSON) that somebody shows, about a result of this room, and returns what it says.

        That takes no right to the result. The audit log is read for it, which is an event of its own.

        Raises:
            ReceiptInvalid: naming what does not hold.
            LogTampered: the events are not the ones that the enclave has signed.
        """
        told, events = read_log(self._context.link)
        # 1. The enclave that has proven itself has signed it.
        manifest, body = read_receipt(receipt, told.trusted.keys.signing)
        # 2. It keeps what the room's definition promises.
        node = self._context.definition.node(body.node)
        if node is None or isinstance(node, RawDataNode):
            raise ReceiptInvalid("The receipt is about a computation that is not in this room.")
        check_body(body, self._context.definition, self.id, node, told.trusted, told.checkpoint)
        # 3. The log says that this very result was released, and that what it was computed from was there.
        check_log(body, manifest, events)
        return body

    def stop(self) -> None:
        """Ends the room: nothing can be attached, run or fetched any more.

        Raises:
            AuthorizationError: only the owner may.
        """
        self._context.link.ask(StopRoom(), Done)

    def __repr__(self) -> str:
        return f"AnalyticsDcr(id={self.id!r}, name={self.name!r})"


def check_room(definition: Definition, link: RoomLink, only: Accepted | None = None) -> None:
    """Checks that the room promises no less than this user has allowed, and binds the link to its enclave.

    ``only``: what the user accepts, where that was said.

    Raises:
        EvidenceRejected: its enclave is another one, or not accepted, or its workers run unprotected and that was not
            allowed.
    """
    # 1. The enclave that has proven itself is the one that all participants have agreed on.
    link.enclaves = definition.enclaves
    if link.channel.trusted().reference not in definition.enclaves:
        raise EvidenceRejected(
            "The room names another enclave than the one that is there now. Its data can't be used by this one: ask "
            "the operator for the version that the room was made for, or publish the room anew."
        )
    # 2. Nothing may hold or compute it that the user doesn't accept.
    if only is not None:
        only.check(definition)
    # 3. Workers without protection need the same consent as an enclave without it.
    if any(worker.evidence == software.TYPE for worker in definition.workers) and not link.channel.allow_software:
        raise EvidenceRejected(
            "The room's computations would run outside a trusted execution environment: nothing would protect the "
            "data from the operator of the machine. If that is what you want, set CLOISTER_TRUST_SOFTWARE_ENCLAVE=1."
        )
