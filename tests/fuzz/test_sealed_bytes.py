"""Every byte of whatever is sealed: exchanged, left out, added, cut off; the defined error each time, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.errors import VerificationError
from cloister.formats.sealed import (
    EnclaveKeys,
    SealingKey,
    open_report,
    open_request,
    open_row,
    open_secret,
    open_task,
    seal_report,
    seal_request,
    seal_row,
    seal_secret,
    seal_task,
)

KEY, ROOM, ROOT, TASK = b"k" * 32, "ab" * 32, b"r" * 32, b"t" * 32
SIGNING = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
SEALING = SealingKey()
KEYS = EnclaveKeys(made=1, signing=SIGNING.public_key().public_bytes_raw(), sealing=SEALING.public)
REQUEST, EXCHANGE = seal_request(KEYS, b"stop the room", SIGNING)
SEALED_TASK = seal_task(SEALING.public, b"a task")


@dataclass(frozen=True)
class Sealed:
    """Something sealed, and who reads it."""

    message: bytes
    read: Callable[[bytes], object]


EVERYTHING = {
    "request": Sealed(REQUEST, lambda message: open_request(message, SEALING, KEYS)),
    "frame": Sealed(EXCHANGE.seal_frame(0, b"done", last=True)[4:], lambda frame: EXCHANGE.open_frame(0, frame)),
    "task": Sealed(SEALED_TASK, lambda task: open_task(task, SEALING)),
    "report": Sealed(
        seal_report(TASK, SEALED_TASK, KEY, b"done"), lambda report: open_report(report, TASK, SEALED_TASK, KEY)
    ),
    "row": Sealed(seal_row(KEY, ROOM, 3, ROOT, b"an event"), lambda row: open_row(KEY, ROOM, 3, ROOT, row)),
    "secret": Sealed(seal_secret(KEY, ROOM, "a", b"a key"), lambda sealed: open_secret(KEY, ROOM, "a", sealed)),
}


def changes(message: bytes) -> Iterator[bytes]:
    """Every byte exchanged (one bit, and all), left out, doubled; cut behind it; and bytes around the whole."""
    for place in range(len(message)):
        before, byte, after = message[:place], message[place], message[place + 1 :]
        yield before + bytes([byte ^ 1 << place % 8]) + after
        yield before + bytes([byte ^ 0xFF]) + after
        yield before + after
        yield before
        if after[:1] != bytes([byte]):
            yield before + after[:1] + bytes([byte]) + after[1:] if after else message + message
    yield from (message + b"\0", b"\0" + message, message + message, message[::-1], bytes(len(message)))


@pytest.mark.parametrize("kind", EVERYTHING)
def test_any_change_is_refused(kind: str) -> None:
    sealed = EVERYTHING[kind]
    sealed.read(sealed.message)
    for changed in changes(sealed.message):
        if changed == sealed.message:
            continue
        with pytest.raises(VerificationError):
            sealed.read(changed)


@pytest.mark.parametrize("kind", EVERYTHING)
def test_nothing_is_read_as_something_else(kind: str) -> None:
    for other, sealed in EVERYTHING.items():
        if other != kind:
            with pytest.raises(VerificationError):
                EVERYTHING[kind].read(sealed.message)
