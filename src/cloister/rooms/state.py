"""A room's state: a fold over its events.

`RoomState.apply` is total: any event is taken as having happened, whatever came before. What may happen is decided
before, in `cloister.rooms.decisions`; what has happened is never argued with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from msgspec import UNSET

from cloister.formats.receipt import Attested, Input
from cloister.rooms.definition import Definition
from cloister.rooms.events import (
    DatasetAttached,
    DatasetRemoved,
    Event,
    KeyBound,
    KeyUnbound,
    Published,
    Restored,
    ResultFetched,
    ResultLost,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
    Stopped,
)
from cloister.rooms.planning import derived


class RunStatus(Enum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    VOIDED = "voided"
    LOST = "lost"
    """It had finished; its ciphertext is gone."""
    WITHDRAWN = "withdrawn"
    """It had finished; data that it was derived from was removed since."""


@dataclass(slots=True)
class Run:
    """One run of one computation."""

    id: str
    node: str
    cache_key: str
    actor: str
    inputs: tuple[Input, ...] = ()
    epsilon: Fraction = Fraction(0)
    """The privacy that it costs each data node that it reads."""
    status: RunStatus = RunStatus.RUNNING
    manifest: str | None = None
    """Digest of the manifest of its result."""
    withheld: str | None = None
    """The same of what it has made for later computations alone."""
    worker: Attested | None = None
    reason: str = ""
    """Why it was voided."""
    finished_at: int = 0
    """Milliseconds since 1970."""
    log_index: int = 0
    """Index of the event that ended it."""


@dataclass
class RoomState:
    """What is true of a room after ``size`` events. One writer: whoever appends to its log."""

    size: int = 0
    time: int = 0
    """Of the last event, in milliseconds since 1970."""
    definition: Definition | None = None
    stopped: bool = False
    keys: dict[str, set[str]] = field(default_factory=dict)
    """User to the device keys (hex) that speak for them."""
    unbound: set[tuple[str, str]] = field(default_factory=set)
    """User and device key that doesn't speak for them and never will again, whoever vouches for it."""
    restored: Restored | None = None
    """The last restore that was declared."""
    attached: dict[str, str] = field(default_factory=dict)
    """Data node to the manifest digest of its dataset."""
    readers: dict[str, frozenset[str]] = field(default_factory=dict)
    """Data node to the device keys that its dataset was attached for: whoever attached it has looked at them. Any other
    key, bound on whosever word, before or since, doesn't get at the data itself."""
    answered: set[tuple[str, str]] = field(default_factory=set)
    """Data node and id of every request that has attached or removed a dataset: one that is delivered again, late,
    must not undo what came after it."""
    runs: dict[str, Run] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    """Cache key to the run whose result can be used."""
    losses: dict[str, int] = field(default_factory=dict)
    """Cache key to the number of its results that were lost."""
    running: dict[str, str] = field(default_factory=dict)
    """Cache key to the run that is under way."""
    privacy: dict[str, Fraction] = field(default_factory=dict)
    """Data node to the epsilon that runs have cost it, those under way included. A run that failed has cost as much:
    that it fails is an answer, too. One that was voided has answered nothing, nor has one whose inputs couldn't be
    used. What is lost, or withdrawn since, had been told."""
    previewed: dict[tuple[str, str], int] = field(default_factory=dict)
    """User and preview to the bytes of results that they have fetched."""
    seen: set[tuple[str, str]] = field(default_factory=set)
    """User and run of a preview that they have fetched."""

    def apply(self, event: Event) -> None:
        """Takes one event into account."""
        index, self.size = self.size, self.size + 1
        self.time = max(self.time, event.time)
        match event.body:
            case Published(definition=definition) if self.definition is None:
                self.definition = definition
                self.keys = {entry.user: set(entry.keys) for entry in definition.participants if entry.keys}
            case KeyBound(user=user, key=key) if (user, key) not in self.unbound:
                self.keys.setdefault(user, set()).add(key)
            case KeyUnbound(user=user, key=key):
                self.keys.get(user, set()).discard(key)
                self.unbound.add((user, key))
            case DatasetAttached(node=node, manifest=manifest, request=request, readers=readers):
                self.attached[node] = manifest
                self.readers[node] = frozenset(readers or ())
                self.answered.add((node, request))
            case DatasetRemoved(node=node, request=request):
                self.attached.pop(node, None)
                self.readers.pop(node, None)
                self.answered.add((node, request))
                self._withdraw(node)
            case RunStarted(run=run, node=node, cache_key=cache_key, inputs=inputs, epsilon=epsilon):
                known = self.runs.get(run)
                if known is None or known.status in (RunStatus.FAILED, RunStatus.VOIDED):
                    self.runs[run] = Run(run, node, cache_key, event.actor, inputs, exactly(epsilon or 0.0))
                    self.running[cache_key] = run
                    self._spend(self.runs[run], 1)
            case RunFinished() | RunFailed() | RunVoided():
                self._end(index, event, event.body)
            case ResultLost(run=run):
                self._lose(run)
            case ResultFetched(run=run, node=node, spent=spent) if spent is not UNSET:
                spender = (event.actor, node)
                self.previewed[spender] = self.previewed.get(spender, 0) + spent
                self.seen.add((event.actor, run))
            case Stopped():
                self.stopped = True
            case Restored():
                self.restored = event.body
            case _:
                pass

    def _end(self, index: int, event: Event, body: RunFinished | RunFailed | RunVoided) -> None:
        run = self.runs.get(body.run)
        if run is None or run.status is not RunStatus.RUNNING:
            return
        if self.running.get(run.cache_key) == run.id:
            del self.running[run.cache_key]
        run.finished_at, run.log_index = event.time, index
        match body:
            case RunFinished(manifest=manifest, worker=worker, withheld=withheld):
                run.status, run.manifest, run.worker = RunStatus.FINISHED, manifest, worker
                run.withheld = None if withheld is UNSET else withheld
                self.results[run.cache_key] = run.id
            case RunVoided(reason=reason):
                run.status, run.reason = RunStatus.VOIDED, reason
                self._spend(run, -1)
            case RunFailed(unspent=unspent):
                run.status = RunStatus.FAILED
                if unspent is True:
                    self._spend(run, -1)

    def _spend(self, run: Run, times: int) -> None:
        for each in run.inputs if run.epsilon else ():
            if each.manifest is not None:
                self.privacy[each.node] = self.privacy.get(each.node, Fraction(0)) + times * run.epsilon

    def _lose(self, run_id: str) -> None:
        run = self.runs.get(run_id)
        if run is None or run.status is not RunStatus.FINISHED:
            return
        run.status = RunStatus.LOST
        self.losses[run.cache_key] = self.losses.get(run.cache_key, 0) + 1
        if self.results.get(run.cache_key) == run.id:
            del self.results[run.cache_key]

    def _withdraw(self, data_node: str) -> None:
        """Nothing that was derived from a removed dataset can be had any more."""
        if self.definition is None:
            return
        gone = derived(self.definition, data_node)
        for run in self.runs.values():
            if run.status is RunStatus.FINISHED and run.node in gone:
                run.status = RunStatus.WITHDRAWN
                if self.results.get(run.cache_key) == run.id:
                    del self.results[run.cache_key]


def exactly(epsilon: float) -> Fraction:
    """The decimal number that a definition or an event has: ten times 0.1 is 1, and what is given back leaves nothing
    behind. No cost where it is none, as the fold takes any event."""
    return Fraction(repr(epsilon)) if 0 < epsilon < math.inf else Fraction(0)


def fold(events: Iterable[Event]) -> RoomState:
    """The state after all of these events, in this order."""
    state = RoomState()
    for event in events:
        state.apply(event)
    return state
