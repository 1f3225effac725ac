"""What the enclave and the hub add to a room before it is published: who they are, images, locks of packages."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping

from cloister.errors import EnclaveError, ServerError
from cloister.protocol import Describe, Description, Request, ResolvedEnvironment, ResolveEnvironment
from cloister.rooms.definition import Definition, ImageReference, Issuer
from cloister.rooms.environments import LockedPackage
from cloister.rooms.nodes import PythonEnvironmentNode
from cloister.sdk.builder import AnalyticsDcrDefinition
from cloister.sdk.specifications import Accepted
from cloister.wire.channel import Channel
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience

Locks = Mapping[str, tuple[LockedPackage, ...]]
"""Of environments that had none, by their ids."""


class Completion:
    """Completes definitions with what one enclave and one hub say now."""

    def __init__(self, channel: Channel, hub: Hub, patience: Patience) -> None:
        self._channel = channel
        self._hub = hub
        self._patience = patience

    def complete(
        self, definition: AnalyticsDcrDefinition, only: Accepted | None, *, locks: Locks | None = None
    ) -> Definition:
        """The definition that is published.

        Args:
            only: what the user accepts, where that was said.
            locks: those to take, instead of what fits best now.

        Raises:
            EvidenceRejected: the enclave is not proven, or not accepted.
            EnclaveError: there are no packages that an environment asks for; the message is the installer's own.
            ServerError: nobody offers an image, or enclave or hub don't say what is needed.
            DefinitionInvalid: a rule is broken.
        """
        if only is not None:
            only.check_enclave(self._channel.trusted().reference)
        described = self._channel.ask(Request(body=Describe()), None).answer.body
        if not isinstance(described, Description):
            raise ServerError("The enclave does not say which images it offers. Update the client.")
        offered = {image.name: image for image in described.images}
        if missing := [name for name in definition.images if name not in offered]:
            raise ServerError(
                f"No worker offers the image {missing[0]!r} now. Ask the operator to start one that does."
            )
        known = locks or {}
        return definition.complete(
            nonce=os.urandom(32).hex(),
            issuer=self.issuer(),
            enclaves=only.narrowed(described.enclaves, "enclaves") if only else described.enclaves,
            workers=only.narrowed(described.workers, "workers") if only else described.workers,
            images=[offered[name] for name in definition.images],
            locks={
                node.id: known[node.id] if node.id in known else self._resolve(node, offered[node.image])
                for node in definition.unresolved
            },
        )

    def issuer(self) -> Issuer:
        """The hub as an issuer of identities: whom the room will believe who is who."""
        published = self._patience.run(self._hub.issuer_keys)
        keys = [key for key in published.keys if (key.kty, key.crv) == ("OKP", "Ed25519")]
        if not keys:
            raise ServerError("The hub shows no keys that it signs identities with. Tell its operator.")
        return Issuer(name=published.issuer, keys=tuple(_ed25519(key.x) for key in keys))

    def _resolve(self, node: PythonEnvironmentNode, image: ImageReference) -> tuple[LockedPackage, ...]:
        asked = ResolveEnvironment(image=image, requirements=node.requirements)
        try:
            answer = self._channel.ask(Request(body=asked), None, wait=True).answer.body
        except EnclaveError as error:
            raise EnclaveError(f"The environment {node.name!r} can't be made. {error.message}") from None
        if not isinstance(answer, ResolvedEnvironment):
            raise ServerError("The enclave does not say which packages fit. Update the client.")
        return answer.lock


def _ed25519(x: str) -> str:
    """The ``x`` member of a JWK as hex.

    Raises:
        ServerError: it is not 32 bytes in base64url.
    """
    try:
        raw = base64.urlsafe_b64decode(x + "=" * (-len(x) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ServerError("The hub shows a key for identities that is none. Tell its operator.")
    return raw.hex()
