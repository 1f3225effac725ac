"""Checkpoints: one form, one room, one key; others' signatures say nothing."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import LogTampered
from cloister.formats.checkpoint import Checkpoint, key_hash, sign_checkpoint, verify_checkpoint

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
ROOM = "ab" * 32
CHECKPOINT = Checkpoint(ROOM, 7, bytes(range(32)))
NOTE = sign_checkpoint(CHECKPOINT, KEY)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32))
def test_round_trip(room: bytes, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(room.hex(), size, root)
    assert verify_checkpoint(sign_checkpoint(checkpoint, KEY), PUBLIC, room=room.hex()) == checkpoint


def test_the_form_is_that_of_signed_notes() -> None:
    text, signatures = NOTE.split("\n\n")
    assert text == f"cloister/room/{ROOM}\n7\n{base64.b64encode(bytes(range(32))).decode()}"
    dash, name, encoded = signatures.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", f"cloister/room/{ROOM}"), "the key is named for the log's origin"
    expected = hashlib.sha256(name.encode() + b"\n\x01" + PUBLIC).digest()[:4]
    signature = base64.b64decode(encoded)
    assert signature[:4] == expected == key_hash(PUBLIC, ROOM)
    KEY.public_key().verify(signature[4:], (text + "\n").encode())


@given(st.data())
def test_any_changed_character_is_noticed(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(NOTE) - 1))
    changed = NOTE[:at] + data.draw(st.characters(codec="utf-8")) + NOTE[at + 1 :]
    try:
        checkpoint = verify_checkpoint(changed, PUBLIC, room=ROOM)
    except LogTampered:
        return
    # Base64 has bits to spare in the last digit of the signature; what is vouched for is the same.
    assert checkpoint == CHECKPOINT
    assert changed == NOTE or at == len(NOTE) - 3


@pytest.mark.parametrize(
    "note",
    [
        "",
        NOTE[:-1],
        NOTE + "\n",
        "\n" + NOTE,
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("\n7\n", "\n07\n"),
        NOTE.replace("\n7\n", "\n+7\n"),
        NOTE.replace("\n7\n", "\n\u0667\n"),
        NOTE.replace("\n7\n", "\n7\nextension\n"),
        NOTE.replace("\n7\n", "\n" + "9" * 5000 + "\n"),
        NOTE.split("\n\n")[0] + "\n\n",
        NOTE.split("\n\n")[0] + "\n",
        NOTE.replace("ab" * 32, "AB" * 32),
        NOTE + "\u2014 witness AAAA\n",
        NOTE + "\u2014 witness\n",
        NOTE + "\u2014 witness AAAAAAAA\n" * 16,
    ],
)
def test_other_forms_are_refused(note: str) -> None:
    with pytest.raises(LogTampered, match="not in the form"):
        verify_checkpoint(note, PUBLIC, room=ROOM)


def test_spare_bits_of_the_root_are_refused() -> None:
    root = base64.b64encode(bytes(range(32))).decode()
    assert root.endswith("8=")
    with pytest.raises(LogTampered, match="not in the form"):
        verify_checkpoint(NOTE.replace(root, root[:-2] + "9="), PUBLIC, room=ROOM)


def test_another_room_is_refused() -> None:
    with pytest.raises(LogTampered, match="another room"):
        verify_checkpoint(NOTE, PUBLIC, room="cd" * 32)


def test_another_key_is_refused() -> None:
    with pytest.raises(LogTampered, match="another key"):
        verify_checkpoint(sign_checkpoint(CHECKPOINT, OTHER), PUBLIC, room=ROOM)


def test_a_signature_over_another_text_is_refused() -> None:
    other = sign_checkpoint(Checkpoint(ROOM, 8, bytes(range(32))), KEY)
    with pytest.raises(LogTampered, match="does not hold"):
        verify_checkpoint(NOTE.split("\n\n")[0] + "\n\n" + other.split("\n\n")[1], PUBLIC, room=ROOM)


def test_signatures_of_witnesses_are_passed_over_wherever_they_stand() -> None:
    text, ours = NOTE.split("\n\n")
    theirs = sign_checkpoint(CHECKPOINT, OTHER).split("\n\n")[1]
    witness = "\u2014 witness.example " + base64.b64encode(b"\x07" * 80).decode() + "\n"
    for signatures in (ours + witness, witness + ours, theirs + ours + witness):
        assert verify_checkpoint(f"{text}\n\n{signatures}", PUBLIC, room=ROOM) == CHECKPOINT
    with pytest.raises(LogTampered, match="another key"):
        verify_checkpoint(f"{text}\n\n{witness}", PUBLIC, room=ROOM)


def test_a_second_signature_in_our_name_must_hold_too() -> None:
    text, ours = NOTE.split("\n\n")
    forged = base64.b64encode(key_hash(PUBLIC, ROOM) + bytes(64)).decode()
    with pytest.raises(LogTampered, match="does not hold"):
        verify_checkpoint(f"{text}\n\n{ours}\u2014 cloister/room/{ROOM} {forged}\n", PUBLIC, room=ROOM)
