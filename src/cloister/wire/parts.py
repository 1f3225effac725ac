"""One part of a blob, on the shortest way there is: straight to the store behind the hub, or else through the hub."""

from __future__ import annotations

import hmac

from cloister.errors import ApiError
from cloister.formats.dataset import Bytes, Part
from cloister.formats.encoding import sha256
from cloister.wire.direct import DirectFailed
from cloister.wire.hub import Hub
from cloister.wire.patience import Unavailable

_NONE_SECONDS = 600.0
"""How long a hub that has no direct way is not asked for it again."""


def send_part(hub: Hub, blob: str, index: int, ciphertext: Bytes, digest: bytes, *, closing: int | None = None) -> bool:
    """Stores one part, whose SHA-256 is ``digest``; storing the same again is no error.

    Args:
        closing: as `Hub.put_part`.

    Returns:
        Whether the blob is complete now, as ``closing`` wanted.

    Raises:
        ApiError: the hub refused, or stayed away.
    """
    if hub.direct.of_use and _sent_directly(hub, blob, index, ciphertext, digest):
        return False
    hub.put_part(blob, index, ciphertext, digest, closing=closing)
    return closing is not None


def _sent_directly(hub: Hub, blob: str, index: int, ciphertext: Bytes, digest: bytes) -> bool:
    try:
        place = hub.place_part(blob, index, len(ciphertext), digest)
        if place.there:
            return True
        if place.url is None or place.ticket is None:
            hub.direct.give_up(_NONE_SECONDS)
            return False
        hub.direct.put(place.url, place.headers, ciphertext)
        hub.placed_part(blob, index, place.ticket)
    except Unavailable:
        raise
    except (DirectFailed, ApiError):
        # Through the hub it works, or the hub says why it doesn't.
        hub.direct.give_up()
        return False
    return True


def fetch_part(hub: Hub, blob: str, index: int, part: Part) -> Bytes:
    """The bytes of one part, as whoever keeps them has them.

    They are the ones of the manifest if they came directly; if they came through the hub, that is for the caller to
    check.

    Raises:
        ApiError: the hub refused, or stayed away.
    """
    if hub.direct.of_use:
        fetched = _fetched_directly(hub, blob, index, part)
        if fetched is not None:
            return fetched
    return hub.get_part(blob, index)


def _fetched_directly(hub: Hub, blob: str, index: int, part: Part) -> Bytes | None:
    try:
        url = hub.find_part(blob, index)
        if url is None:
            hub.direct.give_up(_NONE_SECONDS)
            return None
        ciphertext = hub.direct.get(url, part.size)
        if hmac.compare_digest(sha256(ciphertext).hex(), part.sha256):
            return ciphertext
    except Unavailable:
        raise
    except (DirectFailed, ApiError):
        pass
    hub.direct.give_up()
    return None
