"""What is under way: computations, the jobs that wait for them, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakValueDictionary

from cloister.enclave.room import Room
from cloister.errors import Refused
from cloister.formats.receipt import Input
from cloister.rooms.planning import Step

Status = Literal["", "queued", "running", "finished"]
VoidReason = Literal["input removed", "room stopped", "interrupted", "worker lost", "cancelled"]


class Changes:
    """Something that can be waited for, over and over, by many."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wakes everybody who waits now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self) -> None:
        """Until the next `notify`."""
        await self._event.wait()


@dataclass(eq=False)
class Execution:
    """One computation under way, or just ended. Several jobs may wait for it."""

    room: Room
    step: Step
    run: str
    user: str
    """Who has started it."""
    changes: Changes
    attached: Mapping[str, str]
    """Data node to the manifest digest of its dataset, when it was planned."""
    status: Status = ""
    over: bool = False
    error: Refused | None = None
    void_reason: VoidReason = "interrupted"
    task: asyncio.Task[None] | None = None
    after: list[Execution] = field(default_factory=list)
    inputs: tuple[Input, ...] = ()
    """What it was given, for the receipt."""
    waiting_for: str = ""
    """What it waits for while it is queued, in words."""
    wanted_by: dict[str, str] = field(default_factory=dict)
    """Jobs that wait for it, and the accounts that have asked for them; without any it is cancelled."""
    turn: str | None = None
    """The account whose turn it has, while it has one."""

    @property
    def node(self) -> str:
        return self.step.node.id

    @property
    def account(self) -> str:
        """Whose turn it takes, and whose bounds it counts against: of those that wait for it, who came first."""
        return next(iter(self.wanted_by.values()), "")

    @property
    def under_way(self) -> bool:
        """Whether there is something to be ended: not what has ended, or is being ended already."""
        return self.task is not None and not self.over and self.error is None and self.void_reason == "interrupted"

    def end(self, reason: VoidReason) -> None:
        """Ends it, at its worker too. It is recorded as soon as the room's lock is free."""
        assert self.task is not None
        self.void_reason = reason
        self.task.cancel()

    def move(self, status: Status) -> None:
        """Takes a step and tells those who wait."""
        self.status = status
        self.waiting_for = ""
        self.changes.notify()

    def waits(self, what: str) -> None:
        """Tells those who wait what for, while it does."""
        if self.status == "queued" and self.waiting_for != what:
            self.waiting_for = what
            self.changes.notify()

    async def ended(self) -> None:
        """Until it is over."""
        while not self.over:
            await self.changes.wait()


@dataclass(eq=False)
class Job:
    """One request to run something, and all that is computed for it; what was asked for is the last."""

    node: str
    """What was asked for."""
    user: str
    account: str
    executions: tuple[Execution, ...]
    cancelled: bool = False

    @property
    def under_way(self) -> bool:
        """Whether somebody may still wait for it, or cancel it."""
        return not self.cancelled and not all(execution.over for execution in self.executions)


class Turns:
    """Lets only so many computations of each account be run at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()
        self._freed: WeakValueDictionary[str, Changes] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, execution: Execution) -> AsyncIterator[None]:
        """Waits for the computation's turn, and keeps it for as long as the block lasts."""
        while self._taken[execution.account] >= self._most:
            execution.waits("others of yours to end")
            freed = self._freed.setdefault(execution.account, Changes())
            await freed.wait()
        self._take(execution)
        try:
            yield
        finally:
            self._give_back(execution)

    def pass_on(self, execution: Execution, before: str) -> None:
        """The account that it counts against is another one than ``before``: that one's others need not wait for it."""
        if execution.turn is not None:
            self._give_back(execution)
            self._take(execution)
        elif freed := self._freed.get(before):
            freed.notify()  # it may be one of those that wait, and look at its account again

    def _take(self, execution: Execution) -> None:
        execution.turn = execution.account
        self._taken[execution.turn] += 1

    def _give_back(self, execution: Execution) -> None:
        turn, execution.turn = execution.turn, None
        assert turn is not None
        self._taken[turn] -= 1
        if not self._taken[turn]:
            del self._taken[turn]
        if freed := self._freed.get(turn):
            freed.notify()
