"""A room's definition: everything that its participants agree to. Immutable; its SHA-256 is the room's id."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import UNSET, UnsetType

from cloister.errors import DefinitionInvalid, VerificationError
from cloister.formats.encoding import Email, Hex32, Record, canonical, decode, decode_canonical, normal_email, sha256
from cloister.rooms.graph import check_nodes
from cloister.rooms.nodes import DataNode, Node, RawDataNode, epsilon_of, shown
from cloister.rooms.tables import check_epsilon

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 1000
MAX_PARTICIPANTS = 1000
MAX_ROLES = 100_000
"""Of all participants together, on data nodes and on computations."""
MAX_ISSUERS = 16
MAX_REFERENCES = 16
"""Of enclaves, and of workers."""
MAX_KEYS = 64
"""Of one issuer, and pinned for one participant."""
MAX_TITLE = 256


class Participant(Record, frozen=True, kw_only=True):
    """One user and their roles. Being listed at all is the right to see the room."""

    user: Email
    data_owner_of: tuple[str, ...] = ()
    analyst_of: tuple[str, ...] = ()
    keys: tuple[Hex32, ...] = ()
    """Device keys (Ed25519) that the author has pinned: bound from the start."""


class Issuer(Record, frozen=True, kw_only=True):
    """Who may vouch that a device key belongs to an email: an identity provider's name and Ed25519 keys."""

    name: str
    keys: tuple[Hex32, ...]


class Reference(Record, frozen=True, kw_only=True):
    """Reference values (RFC 9334): what the evidence of a part of the system must show."""

    evidence: str
    """Evidence type. ``insecure-software`` is accepted only where the definition says so, for all to see."""
    measurement: Hex32


class ImageReference(Record, frozen=True, kw_only=True):
    """The environment that computations run in."""

    name: str
    measurement: Hex32


class Definition(Record, frozen=True, kw_only=True):
    """A room as it is published."""

    version: Literal[1] = 1
    nonce: Hex32
    """Random: two rooms with the same content never share an id."""
    title: str
    description: str = ""
    owner: Email
    """May stop the room. Has no right to data or results by that."""
    participants: tuple[Participant, ...]
    nodes: tuple[Node, ...]
    issuers: tuple[Issuer, ...] = ()
    pins_required: bool = False
    """If so, only pinned keys are bound: then not even an issuer can speak for a participant."""
    enclaves: tuple[Reference, ...]
    """The enclaves that may hold the room. More than one lets the service be updated, if the participants agree."""
    workers: tuple[Reference, ...]
    """The workers that may compute for it."""
    images: tuple[ImageReference, ...] = ()
    privacy_budget: float | UnsetType = UNSET
    """The most epsilon that computations may cost each data node, all their runs together; without it they are only
    counted."""

    def canonical(self) -> bytes:
        """RFC 8785 bytes."""
        return canonical(self)

    def id(self) -> str:
        """The room's id: SHA-256 of the canonical definition, as hex."""
        return sha256(self.canonical()).hex()

    def node(self, node_id: str) -> Node | None:
        """The node of that id."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def participant(self, user: str) -> Participant | None:
        """The entry of that user."""
        wanted = normal_email(user)
        return next((entry for entry in self.participants if entry.user == wanted), None)

    def image(self, name: str) -> ImageReference | None:
        """The image of that name."""
        return next((image for image in self.images if image.name == name), None)


def read_definition(data: bytes, *, room: str | None = None) -> Definition:
    """Reads and checks a published definition.

    Raises:
        DefinitionInvalid: it is not canonical, breaks a rule, or is not that of ``room``.
    """
    # 1. Of a size that can be served.
    if len(data) > MAX_BYTES:
        raise DefinitionInvalid(f"The definition is larger than {MAX_BYTES // 1024 // 1024} MiB. Move data out of it.")
    # 2. The room's id is its own digest.
    if room is not None and sha256(data).hex() != room:
        raise DefinitionInvalid("The definition is not the one that this room's id stands for.")
    try:
        # 3. Known fields only, and no more of anything than can be served: what follows costs time for each.
        _check_counts(decode(data, Definition, what="a room's definition"))
        # 4. In canonical form.
        definition = decode_canonical(data, Definition, what="a room's definition")
    except VerificationError as error:
        raise DefinitionInvalid(str(error)) from None
    # 5. The rules.
    check_definition(definition)
    return definition


def check_definition(definition: Definition) -> None:
    """Checks every rule that a definition must keep.

    Raises:
        DefinitionInvalid: naming the first rule that is broken, and where.
    """
    if not definition.title.strip():
        raise DefinitionInvalid("The room has no name. Give it one.")
    if len(definition.title) > MAX_TITLE or _CONTROL.search(definition.title):
        raise DefinitionInvalid(f"The room's name has control characters or is longer than {MAX_TITLE} characters.")
    _check_counts(definition)
    if not all(1 <= len(accepted) <= MAX_REFERENCES for accepted in (definition.enclaves, definition.workers)):
        raise DefinitionInvalid(f"The room must name 1 to {MAX_REFERENCES} enclaves and as many workers.")
    check_nodes(definition.nodes)
    _unique((image.name for image in definition.images), "image")
    for node in definition.nodes:
        if not isinstance(node, RawDataNode) and definition.image(node.image) is None:
            raise DefinitionInvalid(f"The node {node.id!r} runs in an image that the room doesn't list.")
    if definition.privacy_budget is not UNSET:
        _check_budget(definition, definition.privacy_budget)
    _check_participants(definition)
    _check_issuers(definition)


def _check_budget(definition: Definition, budget: float) -> None:
    check_epsilon("The room's privacy budget", budget)
    for node in definition.nodes:
        epsilon = epsilon_of(node)
        if epsilon is not UNSET and epsilon > budget:
            raise DefinitionInvalid(
                f"The computation {node.id!r} costs epsilon {epsilon:g}, and the room's privacy budget is {budget:g}: "
                "it could never be run. Give it less, or the room more."
            )


def _check_counts(definition: Definition) -> None:
    if len(definition.nodes) > MAX_NODES:
        raise DefinitionInvalid(
            f"The room has {len(definition.nodes)} nodes; {MAX_NODES} are the most. Publish several rooms instead."
        )
    if len(definition.participants) > MAX_PARTICIPANTS:
        raise DefinitionInvalid(
            f"The room has {len(definition.participants)} participants; {MAX_PARTICIPANTS} are the most."
        )
    roles = sum(len(entry.data_owner_of) + len(entry.analyst_of) for entry in definition.participants)
    if roles > MAX_ROLES:
        raise DefinitionInvalid(f"The participants have {roles} roles together; {MAX_ROLES} are the most.")


def _check_participants(definition: Definition) -> None:
    _unique((participant.user for participant in definition.participants), "participant")
    by_id = {node.id: node for node in definition.nodes}
    for participant in definition.participants:
        if participant.user != normal_email(participant.user):
            raise DefinitionInvalid(f"The address {participant.user!r} must be written in lower case.")
        _unique(participant.data_owner_of, f"data node of {participant.user}")
        _unique(participant.analyst_of, f"computation of {participant.user}")
        for node in (*participant.data_owner_of, *participant.analyst_of):
            if node not in by_id:
                raise DefinitionInvalid(f"{participant.user} has a role on {shown(node)}, which is not in the room.")
        for node in participant.data_owner_of:
            if not isinstance(by_id[node], DataNode):
                raise DefinitionInvalid(f"{participant.user} can't be data owner of {node!r}: it is a computation.")
        for node in participant.analyst_of:
            if isinstance(by_id[node], DataNode):
                raise DefinitionInvalid(f"{participant.user} can't be analyst of {node!r}: it is a data node.")
        _unique(participant.keys, f"key of {participant.user}")
        if len(participant.keys) > MAX_KEYS:
            raise DefinitionInvalid(f"{participant.user} has more than {MAX_KEYS} pinned keys.")
        if definition.pins_required and not participant.keys:
            raise DefinitionInvalid(f"The room requires pinned keys, and {participant.user} has none.")
    if definition.participant(definition.owner) is None or definition.owner != normal_email(definition.owner):
        raise DefinitionInvalid(f"The owner {definition.owner!r} is not among the participants.")


def _check_issuers(definition: Definition) -> None:
    if not definition.pins_required and not definition.issuers:
        raise DefinitionInvalid(
            "The room names no issuer of identities and requires no pinned keys: nobody could enter."
        )
    _unique((issuer.name for issuer in definition.issuers), "issuer")
    if len(definition.issuers) > MAX_ISSUERS:
        raise DefinitionInvalid(f"The room names {len(definition.issuers)} issuers; {MAX_ISSUERS} are the most.")
    for issuer in definition.issuers:
        if not issuer.name.strip() or len(issuer.name) > MAX_TITLE or _CONTROL.search(issuer.name):
            raise DefinitionInvalid("An issuer's name is empty, too long, or has control characters.")
        if not 1 <= len(issuer.keys) <= MAX_KEYS:
            raise DefinitionInvalid(f"The issuer {shown(issuer.name)} needs 1 to {MAX_KEYS} keys.")
    # A token names one issuer; a key that two share would leave open whose word it is.
    _unique((key for issuer in definition.issuers for key in issuer.keys), "issuers' key")


def _unique(values: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise DefinitionInvalid(f"The {what} {shown(value)} is listed twice.")
        seen.add(value)
