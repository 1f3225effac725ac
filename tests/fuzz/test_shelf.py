"""The life of blobs, by two users at once, against a model of it: any order of requests, also late and repeated ones.

The rules do what the hub's operations do, with the transaction and the change of the blob store as steps of their own,
so that others come between them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloister.hub import placing, shelf
from cloister.hub.blobs import prefix
from cloister.hub.database import Database, open_database
from cloister.hub.problems import Problem
from cloister.hub.schema import ACCOUNT, BlobRow, PartRow, PrincipalRow
from cloister.hub.settings import HubSettings
from cloister.hub.shelf import Part, Recorded
from cloister.hub.tokens import Principal, new_id

T = TypeVar("T")
LEAST = 64 * 1024
"""What a part counts for at least."""
QUOTA = 5 * LEAST
BLOBS = 2
"""How many one user may have."""
START = datetime(2026, 1, 1, tzinfo=UTC)
CONTENTS = {"aa" * 32: 1, "bb" * 32: LEAST + 7, "cc" * 32: 3 * LEAST}
"""Digests of contents, and how long they are."""

users = st.sampled_from(["alice", "bob"])
blobs = st.sampled_from(["one", "two", "three"])
indices = st.integers(0, 2)
contents = st.sampled_from(sorted(CONTENTS))


@dataclass
class Blob:
    """What should be there of a blob."""

    owner: str
    folder: str
    complete: bool = False
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass(frozen=True)
class Sending:
    """A request that was let in, and has not ended."""

    user: str
    blob: str
    index: int
    folder: str


@dataclass
class Permit:
    """A part that may go to the store directly."""

    sending: Sending
    ticket: str
    part: Part
    expires: datetime
    settled: bool = False


class Shelf(RuleBasedStateMachine):
    """Two users, three blobs, and a store of objects."""

    database: Database

    sendings = Bundle("sendings")
    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.blobs: dict[str, Blob] = {}
        self.tickets: dict[str, Permit] = {}
        self.objects: dict[str, int] = {}
        self.ids = {name: secrets.token_hex(32) for name in ("one", "two", "three")}
        self.users = {name: self._user(name) for name in ("alice", "bob")}

    def _user(self, name: str) -> Principal:
        row = PrincipalRow(
            id=new_id(), kind=ACCOUNT, name=f"{name}-{secrets.token_hex(8)}", created_at=START, stored_bytes=0
        )
        self._write(lambda db: db.add(row))
        return Principal(id=row.id, kind=row.kind, name=row.name, token_id="0" * 32)

    # --- what may be done ---

    @rule(target=sendings, user=users, blob=blobs, index=indices)
    def claim(self, user: str, blob: str, index: int) -> object:
        known = self.blobs.get(blob)
        status = 403 if known and known.owner != user else None
        if known is None and sum(each.owner == user for each in self.blobs.values()) >= BLOBS:
            status = 413
        with expecting(status):
            found = self._write(
                lambda db: shelf.claim(db, self.users[user], self.ids[blob], index, self.now, most_blobs=BLOBS)
            )
            known = self.blobs.setdefault(blob, Blob(user, found.folder))
            assert (found.folder, found.complete, found.part) == (known.folder, known.complete, known.parts.get(index))
            return Sending(user, blob, index, found.folder)
        return multiple()

    @rule(sending=sendings, sha256=contents)
    def record(self, sending: Sending, sha256: str) -> None:
        part = self._part(sending, sha256)
        self.objects[part.key] = part.size
        expected = self._refused(sending, part, count=True)
        try:
            with expecting(expected):
                recorded = self._write(
                    lambda db: shelf.record(
                        db,
                        self.users[sending.user],
                        self.ids[sending.blob],
                        sending.folder,
                        part,
                        self.now,
                        quota_bytes=QUOTA,
                    )
                )
                self._recorded(sending, part, recorded)
        finally:
            if expected is not None:
                del self.objects[part.key]

    @rule(target=permits, sending=sendings, sha256=contents, seconds=st.integers(1, 900))
    def permit(self, sending: Sending, sha256: str, seconds: int) -> object:
        part, ticket = self._part(sending, sha256), secrets.token_hex(16)
        expires = self.now + timedelta(seconds=seconds)
        with expecting(413 if self._stored(sending.user) + max(part.size, LEAST) > QUOTA else None):
            self._write(
                lambda db: placing.permit(
                    db,
                    self.users[sending.user],
                    self.ids[sending.blob],
                    sending.folder,
                    part,
                    expires,
                    ticket,
                    quota_bytes=QUOTA,
                )
            )
            permit = self.tickets[ticket] = Permit(sending, ticket, part, expires)
            return permit
        return multiple()

    @rule(permit=permits)
    def arrive(self, permit: Permit) -> None:
        """By its URL, which is good for a while, whatever has become of the blob."""
        if permit.expires >= self.now:
            self.objects[permit.part.key] = permit.part.size

    @rule(permit=permits, arrives=st.booleans(), by_another=st.sampled_from([False, False, True]))
    def placed(self, permit: Permit, arrives: bool, by_another: bool) -> None:
        if arrives:
            self.arrive(permit)
        sending = permit.sending
        user = next(each for each in self.users if (each == sending.user) is not by_another)
        gone = permit.ticket not in self.tickets
        with expecting(404 if gone or user != sending.user else None):
            self._read(
                lambda db: placing.permitted(db, self.users[user], self.ids[sending.blob], sending.index, permit.ticket)
            )
            if permit.part.key not in self.objects:
                return
            with expecting(None if permit.settled else self._refused(sending, permit.part, count=False)):
                recorded = self._write(lambda db: placing.settle(db, self.users[user], permit.ticket, self.now))
                if permit.settled:
                    assert recorded == Recorded(new=False, stray=None)
                    return
                permit.settled = True
                self._recorded(sending, permit.part, recorded)

    @rule(user=users, blob=blobs, count=st.integers(1, 3))
    def complete(self, user: str, blob: str, count: int) -> None:
        known = self.blobs.get(blob)
        status = self._others(user, known)
        if status is None and known is not None and sorted(known.parts) != list(range(count)):
            status = 409
        with expecting(status):
            folder = self._write(lambda db: shelf.complete(db, self.users[user], self.ids[blob], count))
            assert known is not None
            assert folder == known.folder
            known.complete = True
            # As `complete_blob` tidies up: whatever else lies there is of no use any more.
            wanted = self._read(lambda db: shelf.all_keys(db, self.ids[blob]))
            self._delete(lambda key: key.startswith(prefix(folder)) and key not in wanted)

    @rule(user=users, blob=blobs)
    def delete(self, user: str, blob: str) -> None:
        with expecting(self._others(user, self.blobs.get(blob))):
            folder = self._write(lambda db: shelf.remove(db, self.users[user], self.ids[blob]))
            assert folder == self.blobs.pop(blob).folder
            self._delete(lambda key: key.startswith(prefix(folder)))

    @rule(seconds=st.sampled_from([60, 2000]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        _, strays = self._write(lambda db: placing.expired(db, self.now))
        self._delete(lambda key: key in strays)
        grace = timedelta(minutes=5)
        self.tickets = {ticket: each for ticket, each in self.tickets.items() if each.expires >= self.now - grace}

    # --- what must hold ---

    @invariant()
    def nothing_is_lost_and_nothing_is_left_over(self) -> None:
        rows, parts, stored = self._read(self._all)
        assert rows == {self.ids[name]: (self.users[b.owner].id, b.complete) for name, b in self.blobs.items()}
        assert parts == {self.ids[name]: blob.parts for name, blob in self.blobs.items() if blob.parts}
        assert stored == {principal.id: self._stored(name) for name, principal in self.users.items()}
        assert all(stored[principal.id] <= QUOTA for principal in self.users.values())
        # What exists lies in the store, and what lies there either exists or is still permitted.
        exists = {part.key: part.size for blob in self.blobs.values() for part in blob.parts.values()}
        assert exists.items() <= self.objects.items()
        assert self.objects.keys() - exists.keys() <= {permit.part.key for permit in self.tickets.values()}

    @invariant()
    def whole_blobs_are_everybodys_and_others_nobodys(self) -> None:
        for name, blob_id in self.ids.items():
            known = self.blobs.get(name)
            for user, principal in self.users.items():
                seen = known is not None and (known.complete or known.owner == user)
                with expecting(None if seen else 404):
                    whole = self._read(lambda db: shelf.is_complete(db, principal, blob_id))  # noqa: B023
                    assert known is not None
                    assert whole == known.complete
            part = known.parts.get(0) if known is not None and known.complete else None
            with expecting(404 if part is None else None):
                assert self._read(lambda db: shelf.fetchable(db, blob_id, 0)) == part  # noqa: B023

    # --- the model ---

    def _part(self, sending: Sending, sha256: str) -> Part:
        key = f"{prefix(sending.folder)}/{sending.index}-{secrets.token_hex(8)}"
        return Part(sending.index, CONTENTS[sha256], sha256, key)

    def _refused(self, sending: Sending, part: Part, *, count: bool) -> int | None:
        """Why that part can't be recorded."""
        blob = self.blobs.get(sending.blob)
        if blob is None or blob.folder != sending.folder:
            return 409
        there = blob.parts.get(part.index)
        if there is not None and there.sha256 == part.sha256:
            return None
        if blob.complete:
            return 409
        more = max(part.size, LEAST) - (max(there.size, LEAST) if there else 0)
        return 413 if count and more > 0 and self._stored(sending.user) + more > QUOTA else None

    def _recorded(self, sending: Sending, part: Part, recorded: Recorded) -> None:
        parts = self.blobs[sending.blob].parts
        there = parts.get(part.index)
        assert recorded.new == (there is None or there.sha256 != part.sha256)
        if recorded.new:
            parts[part.index] = part
        if recorded.stray is not None:
            del self.objects[recorded.stray]

    def _others(self, user: str, blob: Blob | None) -> int | None:
        if blob is None or not (blob.complete or blob.owner == user):
            return 404
        return 403 if blob.owner != user else None

    def _stored(self, user: str) -> int:
        mine = [part.size for blob in self.blobs.values() if blob.owner == user for part in blob.parts.values()]
        coming = [each.part.size for each in self.tickets.values() if each.sending.user == user and not each.settled]
        return sum(max(size, LEAST) for size in mine + coming)

    def _delete(self, which: Callable[[str], bool]) -> None:
        self.objects = {key: size for key, size in self.objects.items() if not which(key)}

    # --- the database ---

    def _all(self, db: Session) -> tuple[dict[str, tuple[str, bool]], dict[str, dict[int, Part]], dict[str, int]]:
        mine = list(self.ids.values())
        rows = db.scalars(select(BlobRow).where(BlobRow.id.in_(mine))).all()
        parts: dict[str, dict[int, Part]] = {}
        for row in db.scalars(select(PartRow).where(PartRow.blob_id.in_(mine))):
            part = Part(row.number, row.size, row.sha256, row.object_key)
            parts.setdefault(row.blob_id, {})[row.number] = part
        them = [principal.id for principal in self.users.values()]
        stored = db.scalars(select(PrincipalRow).where(PrincipalRow.id.in_(them))).all()
        return {row.id: (row.owner_id, row.complete) for row in rows}, parts, {x.id: x.stored_bytes for x in stored}

    def _read(self, work: Callable[[Session], T]) -> T:
        return self.database.read(work)

    def _write(self, work: Callable[[Session], T]) -> T:
        return self.database.write(work)


class expecting:  # noqa: N801 - read as a word
    """That the block is refused with that status, and ends there; or is not refused, by None."""

    def __init__(self, status: int | None) -> None:
        self._status = status

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if self._status is None:
            return False
        assert isinstance(error, Problem), f"should have been refused with {self._status}"
        assert error.status_code == self._status
        return True


@pytest.mark.slow
def test_blobs_of_two_users(tmp_path: Path) -> None:
    with open_database(HubSettings(data=tmp_path)) as database:
        machine = type("Machine", (Shelf,), {"database": database})
        run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=40, derandomize=True))
