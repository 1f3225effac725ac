"""What the workers that are there can do, and whether that is enough for a computation.

A worker comes back for each task with a new request. So what one has offered counts for a while after it has gone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from cloister.rooms.definition import ImageReference, Reference
from cloister.rooms.limits import Limits, beyond

OFFER_SECONDS = 60.0
"""How long what a worker that has gone could do is still counted on: it comes back for its next task, or another takes
its place."""


@dataclass(frozen=True)
class Demand:
    """What a computation needs of a worker."""

    image: ImageReference
    workers: frozenset[Reference]
    """Those that the room accepts."""
    limits: Limits


@dataclass(frozen=True)
class Offer:
    """What a worker can do."""

    worker: Reference
    images: tuple[ImageReference, ...]
    limits: Limits | UnsetType = UNSET
    """The most that it allows a computation; unset where it allows anything."""

    def can_open(self, demand: Demand) -> bool:
        """Whether it is a worker for that room, and has the image."""
        return self.worker in demand.workers and demand.image in self.images

    def excess(self, demand: Demand) -> str:
        """Which limits are beyond what it allows, in words; empty where none is."""
        return "" if self.limits is UNSET else beyond(demand.limits, self.limits)

    def suffices(self, demand: Demand) -> bool:
        """Whether it can carry out the computation."""
        return self.can_open(demand) and not self.excess(demand)


@dataclass
class _Presence:
    """Of the workers with the same offer."""

    workers: int = 0
    """How many are there."""
    left: float = 0.0
    """When the last one went."""


class Offers:
    """What is on offer here and now."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[Offer, _Presence] = {}
        """Who has come last is last."""

    @contextlib.contextmanager
    def held(self, offer: Offer) -> Iterator[None]:
        """For as long as a worker with that offer is there."""
        presence = self._known.pop(offer) if offer in self._known else _Presence()
        self._known[offer] = presence
        presence.workers += 1
        try:
            yield
        finally:
            presence.workers -= 1
            presence.left = self._monotonic()

    def known(self) -> tuple[Offer, ...]:
        """Those of workers that are there, or were a moment ago; who has come last is last."""
        since = self._monotonic() - OFFER_SECONDS
        self._known = {offer: each for offer, each in self._known.items() if each.workers or each.left > since}
        return tuple(self._known)

    @property
    def images(self) -> tuple[ImageReference, ...]:
        """The images for new rooms: of each name the one that the last accepted worker named first."""
        named = {image.name: image for offer in self.known() for image in reversed(offer.images)}
        return tuple(named[name] for name in sorted(named))

    def lacking(self, demand: Demand) -> str:
        """What there has to be, and isn't, for a computation to be carried out; empty where a worker can."""
        known = self.known()
        if not known:
            return "a worker: none is connected"
        able = [offer for offer in known if offer.can_open(demand)]
        if not able:
            return f"a worker that this room accepts with its image {demand.image.name!r}"
        if any(offer.suffices(demand) for offer in able):
            return ""
        return f"a worker that allows more ({self.refused(demand)})"

    def refused(self, demand: Demand) -> str:
        """Which limits every worker that could carry out a computation refuses, with the figures of the one that is the
        least short of it; empty where one doesn't, or none is there to tell."""
        excesses = [offer.excess(demand) for offer in self.known() if offer.can_open(demand)]
        return min(excesses, key=lambda words: (words.count(";"), len(words)), default="") if all(excesses) else ""
