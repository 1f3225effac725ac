"""How much each may ask of the enclave: bounds that the operator sets, and pure counting, with the time as an argument.

An email means nothing beyond its room: the author of a room chooses who vouches for whom, and could speak in anybody's
name there, to use up what is theirs elsewhere. So whatever counts across rooms counts accounts, as the hub tells them
apart (by a pseudonym). It need not be trusted for that: a hub that wants to keep somebody out can do so anyhow.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloister.buckets import Buckets
from cloister.errors import Refused

RUN_SECONDS = 30
"""When to try again where computations are in the way: how long they take, nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Allowances:
    """What users and rooms may ask for. Rates have a burst: what may come at once."""

    waiting_per_user: int = 200
    """Computations of one account that may wait for a worker, or for others before them. One request may go beyond it
    where nothing waits: how much it starts is bounded by the room's definition."""
    waiting_per_room: int = 2_000
    """Computations of one room that may wait, whoever asked for them."""
    running_per_user: int = 64
    """Computations of one account that may be run at once. More wait, whether workers are free or not."""
    user_events_per_second: float = 20.0
    """What one participant does in one room that leaves an event, or takes as long: readings of the log and of the
    definition, key bindings, attachments, fetched results, and computations, each of which leaves two. As a rate over
    time. So many items, too, may one device change in its user's vault."""
    user_events_burst: int = 2_000
    """How many of these may come at once."""
    room_events_per_second: float = 100.0
    """The same for all participants of a room together, as a rate over time."""
    room_events_burst: int = 10_000
    """How many of these may come at once."""
    room_events: int = 2_000_000
    """Events of one room in all. Beyond that it can be stopped and its data removed, nothing else."""
    room_bytes: int = 4 * 1024**4
    """Ciphertext that may be attached to one room at a time, in bytes."""
    rooms_per_hour: float = 500.0
    """Rooms that one account may publish, as a rate over time."""
    rooms_burst: int = 2_000
    """How many of these may come at once."""
    vaults_per_hour: float = 10.0
    """Vaults that one account may make, as a rate over time. A user needs one."""
    vaults_burst: int = 20
    """How many of these may come at once."""
    environments_per_hour: float = 120.0
    """Requirements of Python packages that one account may have resolved, as a rate over time."""
    environments_burst: int = 100
    """How many of these may come at once."""
    identities_per_second: float = 20.0
    """Identity tokens of one account that are looked at, as a rate over time. A device needs one once in each room."""
    identities_burst: int = 2_000
    """How many of these may come at once."""
    watching_per_user: int = 200
    """Requests of one account that may wait for rooms to change, all at once."""
    watching_seconds: float = 20.0
    """How long such an answer waits, at most: less than what is between ends a silent connection."""
    evidence_per_second: float = 100.0
    """Proofs of what it is that the enclave makes for whoever asks, all together, as a rate over time."""
    evidence_burst: int = 1_000
    """How many of these may come at once."""


class Meter:
    """What has been asked for lately, against what may be. In memory: rates begin afresh with the process."""

    def __init__(self, allowed: Allowances) -> None:
        self.allowed = allowed
        self._users: Buckets[tuple[str, str]] = Buckets(allowed.user_events_per_second, allowed.user_events_burst)
        self._rooms: Buckets[str] = Buckets(allowed.room_events_per_second, allowed.room_events_burst)
        self._published: Buckets[str] = Buckets(allowed.rooms_per_hour / 3600, allowed.rooms_burst)
        self._vaults: Buckets[str] = Buckets(allowed.vaults_per_hour / 3600, allowed.vaults_burst)
        self._resolved: Buckets[str] = Buckets(allowed.environments_per_hour / 3600, allowed.environments_burst)
        self._identities: Buckets[str] = Buckets(allowed.identities_per_second, allowed.identities_burst)
        self._watching: Counter[str] = Counter()
        self._evidence: Buckets[None] = Buckets(allowed.evidence_per_second, allowed.evidence_burst)

    def event(self, room: str, user: str, size: int, now: float, count: int = 1) -> None:
        """So many more events of that user in a room of ``size`` events.

        Raises:
            Refused: ``busy``, where there have been too many lately; ``conflict``, where the room is full.
        """
        if size + count > self.allowed.room_events:
            raise Refused(
                "conflict",
                f"The room's log has {size} events, of {self.allowed.room_events} that it may have. It can be stopped, "
                "and data removed from it; for all else publish a new one.",
            )
        # The user's own first, so that one who asks too much takes nothing from the room's.
        if seconds := self._users.take((room, user), now, count):
            raise busy("You have asked for too much in this room.", seconds)
        if seconds := self._rooms.take(room, now, count):
            raise busy("The participants of this room have together asked for too much.", seconds)

    def publication(self, account: str, now: float) -> None:
        """One more room by that account.

        Raises:
            Refused: ``busy``.
        """
        if seconds := self._published.take(account, now):
            raise busy("You have published too many rooms.", seconds)

    def vault(self, account: str, now: float) -> None:
        """One more vault by that account.

        Raises:
            Refused: ``busy``.
        """
        if seconds := self._vaults.take(account, now):
            raise busy("You have made too many vaults.", seconds)

    def identity(self, account: str, now: float) -> None:
        """One more identity token that is looked at for that account.

        Raises:
            Refused: ``busy``.
        """
        if seconds := self._identities.take(account, now):
            raise busy("You have shown too many identity tokens.", seconds)

    def change(self, vault: str, device: str, now: float) -> None:
        """One more item that is put into a vault, or taken out of it, by that device of its user.

        Raises:
            Refused: ``busy``.
        """
        if seconds := self._users.take((vault, device), now):
            raise busy("You have changed too much in your vault.", seconds)

    def resolution(self, account: str, now: float) -> None:
        """Requirements once more, by that account.

        Raises:
            Refused: ``busy``.
        """
        if seconds := self._resolved.take(account, now):
            raise busy("You have had too many requirements resolved.", seconds)

    @contextmanager
    def watching(self, account: str) -> Iterator[None]:
        """For as long as that account waits for a room to change.

        Raises:
            Refused: ``busy``.
        """
        if self._watching[account] >= self.allowed.watching_per_user:
            raise busy("You wait for too many rooms to change at once. Close some of their pages.", RUN_SECONDS)
        self._watching[account] += 1
        try:
            yield
        finally:
            self._watching[account] -= 1
            if not self._watching[account]:
                del self._watching[account]

    def evidence(self, now: float) -> None:
        """One more proof of what the enclave is.

        Raises:
            Refused: ``busy``.
        """
        if seconds := self._evidence.take(None, now):
            raise busy("The enclave has been asked too often for its evidence.", seconds)

    def attachment(self, attached: int, more: int) -> None:
        """So many bytes of ciphertext more, in a room that has ``attached``.

        Raises:
            Refused: ``conflict``.
        """
        if attached + more > self.allowed.room_bytes:
            raise Refused(
                "conflict",
                f"A room may have {self.allowed.room_bytes} bytes of data; this one has {attached}, the dataset has "
                f"{more}. Remove others first, or ask the operator for more.",
            )

    def waiting(self, of_user: int, of_room: int, more: int) -> None:
        """So many computations more, where these wait already.

        Raises:
            Refused: ``busy``.
        """
        if of_user and of_user + more > self.allowed.waiting_per_user:
            raise busy(f"{of_user} of your computations are waiting. Let some of them end.", RUN_SECONDS)
        if of_room and of_room + more > self.allowed.waiting_per_room:
            raise busy(f"{of_room} computations of this room are waiting. Let some of them end.", RUN_SECONDS)


def busy(what: str, seconds: int) -> Refused:
    """The refusal that says when to try again."""
    when = f"{seconds} second{'s' if seconds != 1 else ''}" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
    return Refused("busy", f"{what} Try again in {when}.", retry_seconds=seconds)
