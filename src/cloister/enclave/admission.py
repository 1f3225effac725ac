"""Who asks about a room: by its own log, or on the word of an issuer that it trusts. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.errors import Refused, VerificationError
from cloister.formats.encoding import normal_email
from cloister.protocol import Request
from cloister.rooms.definition import Definition
from cloister.rooms.permissions import NO_SUCH_ROOM
from cloister.rooms.state import RoomState
from cloister.trust.identity import verify_identity


@dataclass(frozen=True)
class Asker:
    """A participant who has proven to be one."""

    user: str
    key: str
    """Of the device, in hex."""
    issuer: str | None = None
    """Who vouches that the key is theirs, where it isn't bound yet."""


def admit(state: RoomState, request: Request, device: bytes | None, now: int) -> Asker:
    """Who asks.

    Args:
        device: the key that has signed the request.
        now: milliseconds since 1970.

    Raises:
        Refused: ``not_found`` for everybody who has not proven to be a participant, so that nobody learns who takes
            part in what, or whether there is such a room. ``forbidden`` for a participant whose device key was ended.
    """
    definition = state.definition
    stranger = Refused("not_found", NO_SUCH_ROOM)
    if definition is None or device is None or request.user is None:
        raise stranger
    user, key = normal_email(request.user), device.hex()
    if definition.participant(user) is None:
        raise stranger
    if key in state.keys.get(user, ()):
        return Asker(user, key)
    issuer = identify(definition, user, device, request.token, now)
    if issuer is None:
        raise stranger
    if (user, key) in state.unbound:
        raise Refused(
            "forbidden",
            "This device's key was ended in this room, by another device of yours, for good. Use that one; or take "
            "this device's key away, so that the next use makes a new one: the SDK's lies in CLOISTER_HOME, below "
            "`devices`, a browser's goes with what it keeps for this site.",
        )
    return Asker(user, key, issuer)


def identify(definition: Definition, user: str, device: bytes, token: str | None, now: int) -> str | None:
    """The issuer that vouches that the device key is this user's, if one does. ``now``: as in `admit`."""
    if token is None or definition.pins_required:
        return None
    try:
        email, issuer = verify_identity(token, device, definition.issuers, now=now // 1000)
    except VerificationError:
        return None
    return issuer if email == user else None
