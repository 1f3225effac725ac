"""What users and rooms may ask for: counted, refused in words that say when to try again, and no harm to others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.buckets import MAX_KEYS, Buckets
from cloister.enclave.limits import Allowances
from cloister.errors import Refused
from cloister.protocol import CancelJob, FetchResult, ReadLog, ReadStatus, RetrieveRoom, StopRoom, UnbindKey
from cloister.rooms.definition import Participant
from cloister.rooms.events import LogRead
from tests.enclave.peers import Enclave, Meeting, Person, data, pull, python, token_issuer, work

pytestmark = pytest.mark.anyio

OWNER, OTHER = "owner@limits.example", "other@limits.example"
NODES = (data("patients"), data("lab", required=False), python("mean", "patients"), python("alone"), python("third"))
ROLES = (
    Participant(user=OWNER, data_owner_of=("patients", "lab"), analyst_of=("mean", "alone", "third")),
    Participant(user=OTHER, analyst_of=("mean", "alone", "third")),
)


@dataclass
class Hand:
    """A clock in the hands of the test, in seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


def make(hand: Hand, **allowed: float) -> Enclave:
    return Enclave(monotonic=hand, allowed=Allowances(**allowed))  # type: ignore[arg-type]


@pytest.fixture
def closing() -> Iterator[list[Enclave]]:
    enclaves: list[Enclave] = []
    yield enclaves
    for enclave in enclaves:
        enclave.close()


# --- counting ---


@given(
    st.floats(0.01, 100),
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60)), max_size=200),
)
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(
    rate: float, burst: int, wishes: list[tuple[float, int]]
) -> None:
    buckets: Buckets[str] = Buckets(rate, burst)
    now = taken = 0.0
    for pause, count in wishes:
        now += pause
        wait = buckets.take("a", now, count)
        given = min(count, burst)  # more than there can be takes all that there can be
        taken += 0 if wait else given
        assert taken <= burst + rate * now + 1e-6
        if wait:
            # Who waits as long as was said gets it.
            now += wait
            assert buckets.take("a", now, count) == 0
            taken += given


def test_one_takes_nothing_from_another_and_memory_is_bounded() -> None:
    buckets: Buckets[int] = Buckets(0.001, 1)
    assert buckets.take(0, 0.0) == 0
    assert buckets.take(0, 0.0) == 1000
    assert buckets.take(1, 0.0) == 0
    for key in range(2, MAX_KEYS + 1):
        buckets.take(key, 0.0)
    assert buckets.take(1, 0.0) == 1000
    # A clock that steps back gives nothing.
    assert buckets.take(1, -1e9) == 1000


# --- each bound, at the enclave's door ---


async def test_events_of_a_user_and_of_a_room(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(
        hand, user_events_per_second=0.5, user_events_burst=10, room_events_per_second=1.0, room_events_burst=16
    )
    closing.append(enclave)
    room = await Meeting.publish(enclave, NODES, ROLES)  # binding the key counts
    for _ in range(9):
        await room.ask(OWNER, ReadLog())
    with pytest.raises(Refused, match=r"too much in this room\. Try again in 2 seconds\.") as caught:
        await room.ask(OWNER, ReadLog())
    assert (caught.value.code, caught.value.retry_seconds) == ("busy", 2)
    # What leaves no event goes on, and others do; all of them together have a bound of their own.
    await room.ask(OWNER, ReadStatus())
    for _ in range(5):
        await room.ask(OTHER, ReadLog())
    with pytest.raises(Refused, match=r"participants of this room have together.*in 1 second\.") as caught:
        await room.ask(OTHER, ReadLog())
    another = await Meeting.publish(enclave, NODES, ROLES)
    await another.ask(OWNER, ReadLog())
    hand.now += 2
    await room.ask(OWNER, ReadLog())
    # Who asks too much can still stop the room.
    with pytest.raises(Refused, match="too much"):
        await room.ask(OWNER, ReadLog())
    await room.ask(OWNER, StopRoom())


async def test_devices_and_ends_of_keys_count_too(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, user_events_burst=5, user_events_per_second=0.0)
    closing.append(enclave)
    room = await Meeting.publish(enclave, NODES, ROLES)
    for _ in range(4):
        device = Person(OWNER)
        await enclave.ask(device, ReadStatus(), room.id, token=room.token(device))
    device = Person(OWNER)
    with pytest.raises(Refused, match="too much in this room"):
        await enclave.ask(device, RetrieveRoom(), room.id, token=room.token(device))
    with pytest.raises(Refused, match="too much in this room"):
        await room.ask(OWNER, UnbindKey(key="ab" * 32))


async def test_what_leaves_no_event_but_takes_long_counts_too(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, user_events_burst=3, user_events_per_second=0.5)
    closing.append(enclave)
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.ask(OWNER, RetrieveRoom())
    await room.ask(OWNER, RetrieveRoom())
    with pytest.raises(Refused, match="too much in this room"):
        await room.ask(OWNER, RetrieveRoom())
    with pytest.raises(Refused, match="too much in this room"):
        await room.wait(OWNER, "alone", "ab" * 32)
    await room.ask(OWNER, ReadStatus())


async def test_computations_count_each_by_itself(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, user_events_burst=10, user_events_per_second=1.0)
    closing.append(enclave)
    nodes = (python("first"), python("second", "first"), python("third", "second"), python("fourth"))
    roles = (Participant(user=OWNER, analyst_of=("third", "fourth")),)
    room = await Meeting.publish(enclave, nodes, roles)  # binding the key counts
    job = await room.start(OWNER, "third")  # one for asking, two for each of three
    await room.ask(OWNER, CancelJob(node="third", job=job))
    with pytest.raises(Refused, match=r"too much in this room\. Try again in 1 second\."):
        await room.start(OWNER, "fourth")
    hand.now += 2
    await room.start(OWNER, "fourth")


async def test_a_room_has_space_for_what_its_computations_leave(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, room_events=7)
    closing.append(enclave)
    nodes = (python("first"), python("second", "first"), python("third", "second"))
    room = await Meeting.publish(enclave, nodes, (Participant(user=OWNER, analyst_of=("second", "third")),))
    with pytest.raises(Refused, match="has 2 events, of 7"):
        await room.start(OWNER, "third")
    await room.start(OWNER, "second")


async def test_identity_tokens_count_whatever_they_are_worth(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, identities_burst=3, identities_per_second=0.5)
    closing.append(enclave)
    room = await Meeting.publish(enclave, NODES, ROLES)
    mallory = Person("mallory@limits.example")
    for _ in range(3):
        with pytest.raises(Refused, match="no such room"):
            await enclave.ask(mallory, ReadStatus(), room.id, token="x.y.z")
    for nowhere in (room.id, "ab" * 32):
        with pytest.raises(Refused, match=r"too many identity tokens\. Try again in 2 seconds"):
            await enclave.ask(mallory, ReadStatus(), nowhere, token="x.y.z")
    await room.ask(OWNER, ReadStatus())
    hand.now += 2
    with pytest.raises(Refused, match="no such room"):
        await enclave.ask(mallory, ReadStatus(), room.id, token="x.y.z")


async def test_a_full_log_takes_nothing_but_its_end(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, room_events=7)
    closing.append(enclave)
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.ask(OTHER, RetrieveRoom())
    await room.attach(OWNER, "patients")
    device = Person(OWNER)
    await enclave.ask(device, RetrieveRoom(), room.id, token=room.token(device))
    for _ in range(2):
        await room.ask(OWNER, ReadLog())
    for ask in (
        lambda: room.ask(OWNER, ReadLog()),
        lambda: room.start(OWNER, "mean"),
        # Of keys that were never there, there is no end.
        lambda: room.ask(OWNER, UnbindKey(key="ab" * 32)),
    ):
        with pytest.raises(Refused, match=r"has 7 events, of 7 that it may have.*publish a new one") as caught:
            await ask()
        assert caught.value.code == "conflict"
    await room.remove(OWNER, "patients")
    await room.ask(OWNER, UnbindKey(key=device.key.hex()))
    await room.ask(OWNER, StopRoom())


async def test_bytes_of_a_room_are_those_of_what_is_attached_now(closing: list[Enclave], tmp_path: object) -> None:
    path = f"{tmp_path}/rooms.db"
    allowed = Allowances(room_bytes=1_000)
    enclave = Enclave(path, allowed=allowed)
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(OWNER, "patients", bytes(600))
    with pytest.raises(Refused, match="may have 1000 bytes of data; this one has 6") as caught:
        await room.attach(OWNER, "lab", bytes(600))
    assert caught.value.code == "conflict"
    enclave.close()
    # It follows from the store, so it outlives the process.
    after = Enclave(path, allowed=allowed)
    closing.append(after)
    again = room.again(after)
    with pytest.raises(Refused, match="may have 1000 bytes"):
        await again.attach(OWNER, "lab", bytes(600))
    await again.attach(OWNER, "lab", bytes(100))
    await again.remove(OWNER, "lab")
    await again.remove(OWNER, "patients")
    await again.attach(OWNER, "lab", bytes(600))


async def test_waiting_computations_of_a_room(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, waiting_per_user=2, waiting_per_room=3)
    closing.append(enclave)
    nodes = [python(f"n{number}") for number in range(6)]
    names = tuple(node.id for node in nodes)
    roles = (Participant(user=OWNER, analyst_of=names), Participant(user=OTHER, analyst_of=names))
    room = await Meeting.publish(enclave, nodes, roles)
    await room.start(OWNER, "n0")
    await room.start(OWNER, "n1")
    with pytest.raises(Refused, match=r"2 of your computations are waiting.*Try again in 30 seconds") as caught:
        await room.start(OWNER, "n2")
    assert caught.value.retry_seconds == 30
    await room.start(OTHER, "n3")
    with pytest.raises(Refused, match="3 computations of this room are waiting"):
        await room.start(OTHER, "n4")
    await work(enclave)
    await room.start(OTHER, "n4")


async def test_running_computations_of_an_account(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, running_per_user=1)
    closing.append(enclave)
    room = await Meeting.publish(enclave, NODES, ROLES)
    leases = [await pull(enclave) for _ in range(3)]
    jobs = [await room.start(OWNER, "alone"), await room.start(OWNER, "third")]
    assert (await leases[0].given()).name == "alone"
    # Two workers are free, and are there for others.
    waiting = asyncio.create_task(room.wait(OWNER, "third", jobs[1]))
    await room.attach(OWNER, "patients")
    await room.start(OTHER, "mean")
    assert (await leases[1].given()).name == "mean"
    await leases[0].finish()
    assert (await leases[2].given()).name == "third"
    await leases[2].finish()
    await waiting
    await leases[1].finish()


async def test_what_goes_on_for_others_counts_against_them(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, running_per_user=1, waiting_per_user=1)
    closing.append(enclave)
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(OWNER, "patients")
    job = await room.start(OWNER, "alone")
    await room.start(OTHER, "alone")
    with pytest.raises(Refused, match="1 of your computations are waiting"):
        await room.start(OWNER, "third")
    await room.ask(OWNER, CancelJob(node="alone", job=job))
    # While it waits ...
    job = await room.start(OWNER, "third")
    with pytest.raises(Refused, match="1 of your computations are waiting"):
        await room.start(OTHER, "mean")
    leases = [await pull(enclave) for _ in range(2)]
    assert {(await lease.given()).name for lease in leases} == {"alone", "third"}
    # ... and while it is run: of both, one is run for each.
    await room.start(OTHER, "third")
    await room.ask(OWNER, CancelJob(node="third", job=job))
    lease = await pull(enclave)
    await room.start(OWNER, "mean")
    assert (await lease.given()).name == "mean"


async def test_rooms_of_an_account(hand: Hand, closing: list[Enclave]) -> None:
    enclave = make(hand, rooms_per_hour=60.0, rooms_burst=2)
    closing.append(enclave)
    for _ in range(2):
        await Meeting.publish(enclave, NODES, ROLES)
    with pytest.raises(Refused, match=r"published too many rooms\. Try again in 60 seconds"):
        await Meeting.publish(enclave, NODES, ROLES)
    hand.now += 60
    await Meeting.publish(enclave, NODES, ROLES)


async def test_evidence(closing: list[Enclave]) -> None:
    enclave = Enclave(allowed=Allowances(evidence_burst=2, evidence_per_second=0.0))
    closing.append(enclave)
    answers = [await evidence(enclave) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 429]
    assert answers[2][1][b"retry-after"] == b"3600"


async def evidence(enclave: Enclave) -> tuple[int, dict[bytes, bytes]]:
    started: dict[str, object] = {}

    async def send(event: object) -> None:
        assert isinstance(event, dict)
        if event["type"] == "http.response.start":
            started.update(event)

    async def receive() -> dict[str, object]:
        raise AssertionError("there is no body")

    query = f"nonce={os.urandom(32).hex()}".encode()
    scope = {"type": "http", "method": "GET", "path": "/evidence", "query_string": query, "headers": []}
    await enclave.application(scope, receive, send)
    headers = started["headers"]
    assert isinstance(headers, list)
    assert isinstance(started["status"], int)
    return started["status"], dict(headers)


# --- nobody starves another ---


async def test_a_name_that_somebody_else_has_vouched_for_uses_nothing_up(hand: Hand, closing: list[Enclave]) -> None:
    """Whoever publishes a room says who speaks for whom there, also for people who know nothing of it."""
    enclave = make(hand, waiting_per_user=3)
    closing.append(enclave)
    victim, mallory = Person(OWNER, account="victim"), Person(OWNER, account="mallory")
    honest = await Meeting.publish(enclave, NODES, ROLES, people={OWNER: victim, OTHER: Person(OTHER)})
    fake = await Meeting.publish(
        enclave, NODES, ROLES, issuer=token_issuer("mallory's own"), people={OWNER: mallory, OTHER: Person(OTHER)}
    )
    await fake.attach(OWNER, "patients")
    for node in ("mean", "alone", "third"):
        await fake.start(OWNER, node)
    more = await Meeting.publish(enclave, NODES, ROLES, people={OWNER: mallory})
    with pytest.raises(Refused, match="computations are waiting"):
        await more.start(OWNER, "alone")
    for node in ("alone", "third"):
        await honest.start(OWNER, node)
    # They take turns as well.
    assert [(await work(enclave)).room for _ in range(3)] == [fake.id, honest.id, fake.id]


async def test_a_flood_by_one_user_does_not_hold_up_another(closing: list[Enclave]) -> None:
    enclave = Enclave(allowed=Allowances(user_events_burst=50, user_events_per_second=1.0))
    closing.append(enclave)
    flooded = await Meeting.publish(enclave, NODES, ROLES)
    quiet = await Meeting.publish(enclave, NODES, ROLES)
    await flooded.ask(OTHER, RetrieveRoom())
    refused: list[str] = []

    async def flood() -> None:
        for _ in range(40):
            try:
                await flooded.ask(OTHER, ReadLog())
            except Refused as error:
                refused.append(error.code)

    flooding = [asyncio.create_task(flood()) for _ in range(8)]
    # In the same room, and in another one, all goes on meanwhile.
    for room in (flooded, quiet):
        await room.attach(OWNER, "patients")
        job = await room.start(OWNER, "mean")
        lease = await pull(enclave)
        await lease.given()
        await lease.finish()
        await room.wait(OWNER, "mean", job)
        await room.ask(OWNER, FetchResult(node="mean", job=job))
    assert not all(task.done() for task in flooding)
    await asyncio.gather(*flooding)
    assert set(refused) == {"busy"}
    assert len(refused) >= 8 * 40 - 60
    assert await flooded.count(LogRead) <= 60
