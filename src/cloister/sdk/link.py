"""Requests about one room: who asks, and that the room's log only ever grows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.errors import AuthorizationError, BadRequestError, LogTampered, NotFoundError, VerificationError
from cloister.formats.checkpoint import Checkpoint
from cloister.formats.encoding import Email, normal_email
from cloister.protocol import PublishRoom, ReadStatus, Request, RoomBody, VaultBody
from cloister.rooms.definition import Reference
from cloister.sdk.checkpoints import CheckpointMemory
from cloister.wire.channel import Channel, Progressed, Trusted
from cloister.wire.hub import Hub
from cloister.wire.patience import NEVER, Deadline, Patience

T = TypeVar("T")


class Identity:
    """Who asks: a user, their device key, and the identity tokens that bind it."""

    def __init__(
        self,
        hub: Hub,
        email: str,
        device: Ed25519PrivateKey,
        *,
        patience: Patience = Patience(),  # noqa: B008 - immutable
    ) -> None:
        """Raises:
        BadRequestError: that is not an email address.
        """
        try:
            self.email = msgspec.convert(normal_email(email), Email)
        except msgspec.ValidationError:
            raise BadRequestError(f"{email[:64]!a} is not an email address.") from None
        self.device = device
        self._hub = hub
        self._patience = patience
        self._lock = threading.Lock()
        self._checked = False

    @property
    def device_key(self) -> bytes:
        """The public half of the device key, 32 bytes."""
        return self.device.public_key().public_bytes_raw()

    def token(self, room: str | None = None) -> str:
        """A fresh identity token, for a room where one is given.

        Raises:
            AuthorizationError: the API token is not valid, or somebody else's.
            BadRequestError: the hub has destroyed all keys that the room trusts.
        """
        with self._lock:
            if not self._checked:
                account = normal_email(self._hub.account())
                if account != self.email:
                    raise AuthorizationError(
                        f"The API token belongs to {account}, not to {self.email}. Use that user's own token."
                    )
                self._checked = True
        # The hub is known to be there.
        return self._patience.run(lambda: self._hub.identity(self.device_key, room))


@dataclass(frozen=True)
class Told(Generic[T]):
    """What an answer about a room says, and what was checked with it."""

    body: T
    checkpoint: Checkpoint
    trusted: Trusted


class RoomLink:
    """Requests about one room, or one vault, as one user. Threads may share it."""

    def __init__(
        self,
        channel: Channel,
        identity: Identity,
        checkpoints: CheckpointMemory,
        room: str,
        *,
        enclaves: tuple[Reference, ...] | None = None,
    ) -> None:
        """``enclaves``: those that the room's definition names, where that is known already."""
        self.room = room
        self.enclaves = enclaves
        self.channel = channel
        self.identity = identity
        self._checkpoints = checkpoints
        self._bound = False

    def ask(
        self,
        body: RoomBody | PublishRoom | VaultBody,
        kind: type[T],
        *,
        signing: bytes | None = None,
        wait: bool = False,
        deadline: Deadline = NEVER,
        progressed: Progressed | None = None,
    ) -> Told[T]:
        """Asks, and checks that the room's log extends all that this machine has seen of it.

        The first request of a process carries an identity token, in case that the device key is not bound in this
        room yet; so does one more try after a room claims not to know the asker.

        Args:
            signing, wait, deadline, progressed: as `Channel.ask`.

        Raises:
            NotFoundError: no such room, or not a participant of it.
            LogTampered, RollbackDetected: as `CheckpointMemory.accept`.
            VerificationError, EnclaveError, ApiError, TimedOut: as `Channel.ask`.
        """
        if self._bound:
            try:
                return self._ask(body, kind, None, signing, wait, deadline, progressed)
            except NotFoundError:
                token = self.identity.token(self.room)
                return self._ask(body, kind, token, signing, wait, deadline, progressed)
        try:
            token = self.identity.token(self.room)
        except BadRequestError as error:
            # The hub can't vouch for anybody in this room any more. A device that the room knows needs nobody to.
            try:
                return self._ask(body, kind, None, signing, wait, deadline, progressed)
            except NotFoundError:
                raise error from None
        return self._ask(body, kind, token, signing, wait, deadline, progressed)

    def accept_restored_log(self) -> Path | None:
        """As `CheckpointMemory.accept_restored`, with what the enclave shows now."""
        seen = self._checkpoints.newest(self.room)
        request = Request(
            body=ReadStatus(),
            room=self.room,
            user=self.identity.email,
            token=self.identity.token(self.room),
            seen=seen.size,
        )
        reply = self.channel.ask(request, self.identity.device, enclaves=self.enclaves)
        answer = reply.answer
        if answer.checkpoint is None:
            raise LogTampered("The enclave's answer lacks the checkpoint of the room's log. Ask the operator why.")
        signing = reply.trusted.keys.signing
        return self._checkpoints.accept_restored(seen, answer.checkpoint, signing, answer.consistency, answer.restored)

    def _ask(
        self,
        body: RoomBody | PublishRoom | VaultBody,
        kind: type[T],
        token: str | None,
        signing: bytes | None,
        wait: bool,
        deadline: Deadline,
        progressed: Progressed | None,
    ) -> Told[T]:
        seen = self._checkpoints.newest(self.room)
        request = Request(body=body, room=self.room, user=self.identity.email, token=token, seen=seen.size)
        reply = self.channel.ask(
            request,
            self.identity.device,
            enclaves=self.enclaves,
            signing=signing,
            wait=wait,
            deadline=deadline,
            progressed=progressed,
        )
        answer, shown = reply.answer, reply.trusted.keys.signing
        # 1. The log is the one that was seen before, or longer.
        if answer.checkpoint is None:
            raise LogTampered("The enclave's answer lacks the checkpoint of the room's log. Ask the operator why.")
        checkpoint = self._checkpoints.accept(seen, answer.checkpoint, shown, answer.consistency, answer.restored)
        self._bound = True
        # 2. The answer is of the kind that was asked for.
        if not isinstance(answer.body, kind):
            raise VerificationError("The enclave answered something else than was asked. Update the client.")
        return Told(answer.body, checkpoint, reply.trusted)
