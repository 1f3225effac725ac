"""The way to the enclave, through a hub that is not trusted: proven first, sealed, and every answer checked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET

from cloister.errors import (
    AuthorizationError,
    BadRequestError,
    CloisterError,
    EnclaveError,
    EvidenceRejected,
    NotFoundError,
    ServerError,
    VerificationError,
)
from cloister.formats.encoding import decode
from cloister.formats.receipt import Attested
from cloister.formats.sealed import MAX_FRAME, EnclaveKeys, SignedKeys, seal_request, verify_keys
from cloister.protocol import MAX_REQUEST, Answer, EnclaveEvidence, Frame, Progress, Refusal, Request
from cloister.rooms.definition import Reference
from cloister.trust import software
from cloister.trust.evidence import ENCLAVE_LABEL, NONCE_SIZE, appraise
from cloister.wire.hub import Hub
from cloister.wire.patience import LONGEST_PAUSE, NEVER, Deadline, Patience, Unavailable
from cloister.wire.responses import StaleKeys

KNOWN_ENCLAVES = (Reference(evidence=software.TYPE, measurement=software.measurement("enclave")),)
"""Reference values of the enclave that belongs to this release."""

REFUSALS: Mapping[str, type[CloisterError]] = {
    "not_found": NotFoundError,
    "forbidden": AuthorizationError,
    "rejected": AuthorizationError,
    "bad_request": BadRequestError,
    "conflict": BadRequestError,
    "busy": ServerError,
    "failed": EnclaveError,
}
"""What the enclave's "no" becomes. ``rejected`` is said of signatures and identities."""

Progressed = Callable[[Progress], None]


@dataclass(frozen=True)
class Trusted:
    """An enclave that has proven what it is."""

    keys: EnclaveKeys
    attested: Attested

    @property
    def reference(self) -> Reference:
        """The proof as a room's definition would name it."""
        return Reference(evidence=self.attested.evidence, measurement=self.attested.measurement)


@dataclass(frozen=True)
class Reply:
    """An answer, and who gave it."""

    answer: Answer
    trusted: Trusted


class Channel:
    """Requests to the one enclave behind a hub. Threads may share it.

    The enclave proves itself before the first request. Its signing key is remembered from then on; the sealing keys
    that follow every hour are believed where that key has signed them, and the proof is asked for again where the
    signing key itself is new.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        allow_software: bool,
        references: tuple[Reference, ...] = KNOWN_ENCLAVES,
        patience: Patience = Patience(),  # noqa: B008 - immutable
    ) -> None:
        self._hub = hub
        self.allow_software = allow_software
        self._references = references
        self._patience = patience
        self._lock = threading.Lock()
        self._trusted: Trusted | None = None

    def trusted(self) -> Trusted:
        """The enclave, proven.

        Raises:
            EvidenceRejected: its evidence does not hold. Nothing was sent to it.
            ServerError: it can't be reached.
        """
        with self._lock:
            if self._trusted is None:
                self._trusted = self._prove()
            return self._trusted

    def ask(
        self,
        request: Request,
        device: Ed25519PrivateKey | None,
        *,
        enclaves: tuple[Reference, ...] | None = None,
        signing: bytes | None = None,
        wait: bool = False,
        deadline: Deadline = NEVER,
        progressed: Progressed | None = None,
    ) -> Reply:
        """Sends a request and returns the answer to it. All requests may be repeated, and are after a broken
        connection.

        Args:
            device: signs the request; None for what anyone may ask.
            enclaves: the only enclaves that may see the request, where that is agreed.
            signing: the signing key of the one enclave that may see it, where it must be the one that another request
                was answered by.
            wait: whether the answer may take long.
            progressed: is told of every frame before the last.

        Raises:
            EvidenceRejected: the enclave is not proven, or not the agreed one.
            VerificationError: the answer is not the enclave's answer to this request.
            ApiError, EnclaveError: as `REFUSALS` and the hub say.
            TimedOut: the deadline has come.
        """
        payload = msgspec.json.encode(request)
        if len(payload) > MAX_REQUEST - 4096:
            raise BadRequestError(f"The request is larger than {MAX_REQUEST // 1024 // 1024} MiB. Move data out of it.")
        # Whoever can't be reached the first time is most often at another address: say so at once.
        self.trusted()

        def attempt() -> Reply:
            try:
                return self._attempt(payload, device, enclaves, signing, wait, deadline, progressed)
            except StaleKeys:
                self._renew()
                return self._attempt(payload, device, enclaves, signing, wait, deadline, progressed)

        return self._patience.run(attempt, deadline)

    def _attempt(
        self,
        payload: bytes,
        device: Ed25519PrivateKey | None,
        enclaves: tuple[Reference, ...] | None,
        signing: bytes | None,
        wait: bool,
        deadline: Deadline,
        progressed: Progressed | None,
    ) -> Reply:
        # 1. The enclave is proven, and the one that was agreed on.
        trusted = self.trusted()
        if enclaves is not None and trusted.reference not in enclaves:
            raise EvidenceRejected(
                "The enclave runs other software than the room's definition names. Nothing was sent to it. Use the "
                "enclave that the room was made for, or publish the room anew."
            )
        if signing is not None and trusted.keys.signing != signing:
            raise EvidenceRejected(
                "Another enclave answers now than the one that has just shown the room's log. Nothing was sent to it. "
                "Try again; if it stays so, ask the operator why."
            )
        message, exchange = seal_request(trusted.keys, payload, device)
        final: Answer | Refusal | None = None
        rest = bytearray()
        with self._hub.relay(message, wait=wait, deadline=deadline) as chunks:
            for index, sealed in enumerate(_frames(chunks, rest)):
                # 2. Nothing follows the last frame.
                if final is not None:
                    raise _followed()
                # 3. Every frame is the next one of the answer to this very request, and only the last one ends it.
                content, last = exchange.open_frame(index, sealed)
                frame = cast(Frame, decode(content, cast(Any, Frame), what="an answer of an enclave"))
                if isinstance(frame, Progress) is last:
                    raise VerificationError("The enclave's answer ends where it can't end, or goes on after its end.")
                if not isinstance(frame, Progress):
                    final = frame
                elif progressed is not None:
                    progressed(frame)
        if final is None:
            raise Unavailable(
                "The enclave's answer was cut off before its end. Try again; the request does no harm twice."
            )
        if rest:
            raise _followed()
        if isinstance(final, Refusal):
            raise _refused(final)
        return Reply(final, trusted)

    def _prove(self) -> Trusted:
        nonce = os.urandom(NONCE_SIZE)
        shown = decode(self._hub.evidence(nonce), EnclaveEvidence, what="an enclave's evidence")
        # 1. The keys are signed by themselves: nobody else's signing key is mixed with them.
        keys = verify_keys(shown.keys, signing=shown.keys.keys.signing)
        # 2. The evidence is fresh, vouches for these keys, and shows software that is known.
        attested = appraise(
            shown.evidence,
            label=ENCLAVE_LABEL,
            nonce=nonce,
            keys_digest=keys.digest(),
            references=self._references,
            allow_software=self.allow_software,
        )
        return Trusted(keys, attested)

    def _renew(self) -> None:
        """Gets the keys of this hour."""
        with self._lock:
            before = self._trusted
            shown = decode(self._hub.enclave_keys(), SignedKeys, what="an enclave's keys")
            if before is None or shown.keys.signing != before.keys.signing:
                self._trusted = None
                self._trusted = self._prove()
            else:
                self._trusted = Trusted(
                    verify_keys(shown, signing=before.keys.signing, after=before.keys.made), before.attested
                )


def _refused(refusal: Refusal) -> CloisterError:
    """The enclave's "no" as an error. Waiting helps where the enclave says so and it is not for long."""
    if refusal.code == "busy" and refusal.retry_seconds is not UNSET and refusal.retry_seconds <= LONGEST_PAUSE:
        return Unavailable(refusal.message, retry_after=refusal.retry_seconds)
    return REFUSALS[refusal.code](refusal.message)


def _frames(chunks: Iterator[bytes], rest: bytearray) -> Iterator[bytes]:
    """Cuts a stream into frames: four bytes of length (big-endian), then the frame.

    ``rest`` holds what came after the last whole frame.

    Raises:
        VerificationError: a frame is longer than any can be.
    """
    for chunk in chunks:
        rest += chunk
        while len(rest) >= 4:
            end = 4 + int.from_bytes(rest[:4], "big")
            if end > 4 + MAX_FRAME:
                raise VerificationError("The enclave's answer has a frame that is longer than any can be.")
            if len(rest) < end:
                break
            frame = bytes(memoryview(rest)[4:end])
            del rest[:end]
            yield frame


def _followed() -> VerificationError:
    return VerificationError("Something follows the end of the enclave's answer: somebody between has added to it.")
