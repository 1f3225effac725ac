"""Putting a room together, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import msgspec
from msgspec import UNSET

from cloister.errors import DefinitionInvalid
from cloister.formats.encoding import Email, Hex32, normal_email
from cloister.rooms.configuration import Configuration, configuration_of, read_configuration, write_configuration
from cloister.rooms.definition import Definition, ImageReference, Issuer, Participant, Reference, check_definition
from cloister.rooms.environments import LockedPackage, plain_requirements
from cloister.rooms.nodes import Node, PythonEnvironmentNode, RawDataNode
from cloister.rooms.tables import check_epsilon
from cloister.sdk.definitions import NodeDefinition, definition_of
from cloister.sdk.high_level import high_level, permissions
from cloister.sdk.specifications import EnclaveSpecs, accepted

if TYPE_CHECKING:
    from cloister.sdk.client import Client


class AnalyticsDcrDefinition:
    """A room that is ready to be published. It has no id yet: that comes with the enclave that it is bound to."""

    def __init__(
        self,
        *,
        title: str,
        description: str,
        owner: str,
        participants: Sequence[Participant],
        nodes: Sequence[NodeDefinition],
        pins_required: bool = False,
        privacy_budget: float | None = None,
        enclave_specs: EnclaveSpecs | None = None,
    ) -> None:
        """Raises:
        DefinitionInvalid: naming the first rule that is broken.
        """
        self._title = title
        self._description = description
        self._owner = owner
        self._participants = tuple(participants)
        self._nodes = tuple(nodes)
        self._records: list[Node] = [node.record for node in self._nodes]
        self._pins_required = pins_required
        self._privacy_budget = privacy_budget
        self._enclave_specs = enclave_specs
        # What only the enclave and the hub know is stood in for; the rules speak of the rest.
        unknown = Reference(evidence="unknown", measurement="00" * 32)
        package = LockedPackage(name="unknown", version="0", sha256=("00" * 32,))
        self._draft = self.complete(
            nonce="00" * 32,
            issuer=Issuer(name="unknown", keys=("00" * 32,)),
            enclaves=(unknown,),
            workers=(unknown,),
            images=[ImageReference(name=name, measurement="00" * 32) for name in self.images],
            locks={node.id: (package,) for node in self.unresolved},
        )

    @property
    def name(self) -> str:
        """The room's title."""
        return self._title

    @property
    def description(self) -> str:
        """What the room is for."""
        return self._description

    @property
    def owner(self) -> str:
        """Who may stop the room."""
        return self._owner

    @property
    def node_definitions(self) -> list[NodeDefinition]:
        """In the order of adding."""
        return list(self._nodes)

    @property
    def images(self) -> list[str]:
        """Names of the images that its computations run in."""
        return sorted({record.image for record in self._records if not isinstance(record, RawDataNode)})

    @property
    def unresolved(self) -> list[PythonEnvironmentNode]:
        """Environments whose requirements are not locked yet."""
        return [
            record
            for record in self._records
            if isinstance(record, PythonEnvironmentNode) and not record.lock and plain_requirements(record.requirements)
        ]

    @property
    def permissions(self) -> list[dict[str, Any]]:
        """Each participant's roles."""
        return _permissions(self._participants, self._owner)

    @property
    def enclave_specs(self) -> EnclaveSpecs | None:
        """The enclaves and workers that the author accepts, where the builder was told."""
        return self._enclave_specs

    @property
    def configuration(self) -> Configuration:
        """All of it, as the record that is exported and compared."""
        written = configuration_of(self._draft)
        return msgspec.structs.replace(written, nodes=tuple(self._records))

    @property
    def digest(self) -> str:
        """Of all that it says (hex): another room with the same digest says the same. Not the room's id, which stands
        for what the enclave and the hub add as well."""
        return self.configuration.digest()

    def to_json(self) -> str:
        """The configuration, for `from_json`; docs/formats.md describes it."""
        return write_configuration(self.configuration)

    @classmethod
    def from_json(cls, text: str | bytes, *, owner: str | None = None) -> Self:
        """A room from an exported configuration.

        Args:
            owner: who publishes it, instead of who is named there.

        Raises:
            DefinitionInvalid: it is no such configuration, or breaks a rule.
        """
        return cls.of(read_configuration(text), owner=owner)

    @classmethod
    def of(cls, written: Configuration, *, owner: str | None = None, enclave_specs: EnclaveSpecs | None = None) -> Self:
        """The room that a configuration stands for. Arguments and errors as `from_json`."""
        named = {entry.user: entry for entry in written.participants}
        if len(named) != len(written.participants):
            raise DefinitionInvalid("A participant is listed twice. Name all roles of each in one place.")
        email = written.owner if owner is None else _email(owner)
        return cls(
            title=written.title,
            description=written.description,
            owner=email,
            participants=_with_owner(named, email),
            nodes=[definition_of(node) for node in written.nodes],
            pins_required=written.pins_required,
            privacy_budget=None if written.privacy_budget is UNSET else written.privacy_budget,
            enclave_specs=enclave_specs,
        )

    @property
    def high_level(self) -> dict[str, Any]:
        """The definition as nested JSON values."""
        return high_level(self._draft)

    def _get_high_level_representation(self) -> dict[str, Any]:
        return self.high_level

    def complete(
        self,
        *,
        nonce: str,
        issuer: Issuer,
        enclaves: tuple[Reference, ...],
        workers: tuple[Reference, ...],
        images: Iterable[ImageReference],
        locks: Mapping[str, tuple[LockedPackage, ...]],
    ) -> Definition:
        """The definition that is published.

        Args:
            locks: of all that are `unresolved`, by their ids.

        Raises:
            DefinitionInvalid: naming the first rule that is broken.
        """
        definition = Definition(
            nonce=nonce,
            title=self._title,
            description=self._description,
            owner=self._owner,
            participants=self._participants,
            nodes=tuple(
                msgspec.structs.replace(record, lock=locks[record.id]) if record.id in locks else record
                for record in self._records
            ),
            issuers=() if self._pins_required else (issuer,),
            pins_required=self._pins_required,
            enclaves=enclaves,
            workers=workers,
            images=tuple(images),
            privacy_budget=UNSET if self._privacy_budget is None else self._privacy_budget,
        )
        check_definition(definition)
        return definition

    def __repr__(self) -> str:
        return f"AnalyticsDcrDefinition(name={self._title!r}, owner={self._owner!r}, nodes={len(self._nodes)})"


class AnalyticsDcrBuilder:
    """Collects what a room is made of. Every method returns the builder."""

    def __init__(self, *, client: Client, enclave_specs: EnclaveSpecs | None = None) -> None:
        """``enclave_specs``: the enclaves and workers that the room may have, of all that this release knows.

        Raises:
            BadRequestError: those are no specifications.
        """
        accepted(enclave_specs)
        self.client = client
        self._enclave_specs = enclave_specs
        self._name: str | None = None
        self._description = ""
        self._owner: str | None = None
        self._nodes: list[NodeDefinition] = []
        self._participants: dict[str, Participant] = {}
        self._pins_required = False
        self._privacy_budget: float | None = None

    @property
    def name(self) -> str | None:
        """The room's title, once it is known."""
        return self._name

    @property
    def owner(self) -> str | None:
        """Who may stop the room, once that is known."""
        return self._owner

    @property
    def node_definitions(self) -> list[NodeDefinition]:
        """What was added so far, in that order."""
        return list(self._nodes)

    @property
    def permissions(self) -> list[dict[str, Any]]:
        """Each participant's roles, so far."""
        return _permissions(self._participants.values(), self._owner)

    def with_name(self, name: str) -> Self:
        """Sets the room's title."""
        self._name = name
        return self

    def with_description(self, description: str) -> Self:
        """Says what the room is for."""
        self._description = description
        return self

    def with_owner(self, user_email: str) -> Self:
        """Sets who publishes the room and may stop it. That gives no right to data or results.

        Raises:
            DefinitionInvalid: that is not an email address.
        """
        self._owner = _email(user_email)
        return self

    def with_privacy_budget(self, epsilon: float) -> Self:
        """Sets the most epsilon that computations may cost each data node, all their runs together. Without it the
        room only counts what they cost.

        Raises:
            DefinitionInvalid: that is no number above zero.
        """
        check_epsilon("The room's privacy budget", epsilon)
        self._privacy_budget = epsilon
        return self

    def add_node_definition(self, definition: NodeDefinition) -> Self:
        """Adds a data node or a computation. The order is free."""
        if not isinstance(definition, NodeDefinition):
            raise DefinitionInvalid(
                f"{type(definition).__name__} is not a node definition. Use those of the analytics module."
            )
        self._nodes.append(definition)
        return self

    def add_node_definitions(self, definitions: Iterable[NodeDefinition]) -> Self:
        """Adds several."""
        for definition in definitions:
            self.add_node_definition(definition)
        return self

    def add_participant(
        self,
        user_email: str,
        *,
        analyst_of: Iterable[str] | None = (),
        data_owner_of: Iterable[str] | None = (),
        device_keys: Iterable[str] = (),
    ) -> Self:
        """Adds a user with their roles, by the ids of nodes.

        Args:
            device_keys: keys (hex, as `Client.device_key` shows) that speak for the user from the start, whatever the
                hub says of them.

        Raises:
            DefinitionInvalid: that is not an email address, or the user is there already.
        """
        email = _email(user_email)
        if email in self._participants:
            raise DefinitionInvalid(f"The participant {email} was added before. Name all roles in one call.")
        self._participants[email] = Participant(
            user=email,
            analyst_of=_roles(analyst_of),
            data_owner_of=_roles(data_owner_of),
            keys=_keys(device_keys),
        )
        return self

    def with_pinned_keys_only(self) -> Self:
        """Lets in nobody but the holders of the device keys that `add_participant` was given for each user.

        Then not even the hub can speak for a participant; and a lost key is lost for this room.
        """
        self._pins_required = True
        return self

    def with_auto_merge(self) -> Self:
        """Accepted for older scripts; rooms are immutable here."""
        return self

    def with_development_mode(self) -> Self:
        """Accepted for older scripts; nothing is run here that wasn't published."""
        return self

    def with_airlock(self) -> Self:
        """Accepted for older scripts; no computation has a way out but its result."""
        return self

    def build(self) -> AnalyticsDcrDefinition:
        """Checks everything.

        Raises:
            DefinitionInvalid: naming the first rule that is broken, and where.
        """
        if self._name is None:
            raise DefinitionInvalid("The room has no name. Call with_name().")
        if self._owner is None:
            raise DefinitionInvalid("The room has no owner. Call with_owner() with your own email.")
        return AnalyticsDcrDefinition(
            title=self._name,
            description=self._description,
            owner=self._owner,
            participants=_with_owner(self._participants, self._owner),
            nodes=self._nodes,
            pins_required=self._pins_required,
            privacy_budget=self._privacy_budget,
            enclave_specs=self._enclave_specs,
        )

    def __repr__(self) -> str:
        return f"AnalyticsDcrBuilder(name={self._name!r}, owner={self._owner!r}, nodes={len(self._nodes)})"


def _with_owner(participants: dict[str, Participant], owner: str) -> list[Participant]:
    entries = list(participants.values())
    return entries if owner in participants else [Participant(user=owner), *entries]


def _permissions(participants: Iterable[Participant], owner: str | None) -> list[dict[str, Any]]:
    return [
        {"user": entry.user, "permissions": permissions(entry, manager=entry.user == owner)} for entry in participants
    ]


def _email(text: str) -> str:
    try:
        return msgspec.convert(normal_email(text), Email)
    except (msgspec.ValidationError, AttributeError):
        raise DefinitionInvalid(f"{str(text)[:64]!a} is not an email address.") from None


def _keys(keys: Iterable[str]) -> tuple[str, ...]:
    try:
        return msgspec.convert([keys] if isinstance(keys, str) else list(keys), tuple[Hex32, ...])
    except msgspec.ValidationError:
        raise DefinitionInvalid("A device key is 64 hexadecimal digits, as Client.device_key shows them.") from None


def _roles(nodes: Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(nodes, str):
        raise DefinitionInvalid(f"Roles are given as a list of node ids: write [{nodes!r}].")
    return tuple(nodes or ())
