"""Computations: each once, as early as its inputs allow, and released only where that is still right at the end."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import groupby
from pathlib import Path

import msgspec
import pytest

from cloister.enclave.limits import Allowances
from cloister.enclave.store import SqliteStore
from cloister.errors import Refused
from cloister.formats.encoding import canonical
from cloister.formats.receipt import Attested, Input, verify_receipt
from cloister.formats.sealed import OpenedRequest, seal_report, seal_request
from cloister.protocol import (
    Answer,
    AttachDataset,
    AwaitJob,
    Done,
    Failed,
    Finished,
    Progress,
    ReadStatus,
    Refusal,
    RemoveDataset,
    Request,
    RequestBody,
    Result,
    StopRoom,
    Unable,
    UnbindKey,
)
from cloister.rooms.definition import Participant
from cloister.rooms.events import (
    DatasetRemoved,
    Event,
    ResultFetched,
    RunFailed,
    RunFinished,
    RunStarted,
    RunVoided,
    Stopped,
)
from cloister.rooms.limits import Limits
from cloister.rooms.nodes import TextFile
from tests.enclave.peers import (
    ENCLAVE,
    SECONDS,
    WORKER,
    Enclave,
    Lease,
    Meeting,
    Person,
    checked,
    data,
    finished,
    manifest_of,
    pull,
    python,
    stored_secrets,
    work,
)
from tests.enclave.test_store import KEEP, LosingStore, change

pytestmark = pytest.mark.anyio

OWNER, HOSPITAL, ANALYST, OTHER = (f"{name}@runs.example" for name in ("owner", "hospital", "analyst", "other"))
NODES = (
    data("patients"),
    data("lab", required=False),
    python("left", "patients"),
    python("right", "patients", "lab"),
    python("both", "left", "right"),
    python("top", "both"),
    python("alone"),
    python("of lab", "lab", logs_on_error=True),
)
COMPUTATIONS = tuple(node.id for node in NODES[2:])
ROLES = (
    Participant(user=OWNER),
    Participant(user=HOSPITAL, data_owner_of=("patients", "lab")),
    Participant(user=ANALYST, analyst_of=COMPUTATIONS),
    Participant(user=OTHER, analyst_of=("left", "both")),
)


@pytest.fixture
def enclave(tmp_path: Path) -> Iterator[Enclave]:
    running = Enclave(tmp_path / "rooms.db")
    yield running
    running.close()


@pytest.fixture
async def room(enclave: Enclave) -> Meeting:
    """With data at ``patients``."""
    room = await Meeting.publish(enclave, NODES, ROLES)
    await room.attach(HOSPITAL, "patients", b"patients")
    return room


class TestPlans:
    """What is computed, in which order, and what isn't computed again."""

    async def test_a_worker_learns_its_task_and_nothing_else(self, enclave: Enclave) -> None:
        node = python(
            "id of it",
            "patients",
            "lab",
            "left",
            name="name of it",
            script="print('ü')",
            files=(TextFile(name="a/b.py", content="x"),),
            logs_on_success=True,
            limits=Limits(memory_bytes=1234, wall_seconds=5),
        )
        roles = [ROLES[0], Participant(user=HOSPITAL, data_owner_of=("patients",), analyst_of=("id of it",))]
        room = await Meeting.publish(enclave, [*NODES[:3], node], roles)
        attached = await room.attach(HOSPITAL, "patients")
        await room.start(HOSPITAL, "id of it")
        first = await work(enclave, b"result of left")
        lease = await pull(enclave)
        task = await lease.given()
        assert (task.name, task.script, task.files) == ("name of it", "print('ü')", node.files)
        assert (task.kind, task.image, task.limits) == ("python", room.definition.images[0], node.limits)
        assert (task.logs_on_error, task.logs_on_success) == (False, True)
        # The optional input without data is absent; dependencies lie under their names, in the definition's order.
        assert [(each.mount, each.kind) for each in task.inputs] == [("patients", "file"), ("left", "zip")]
        assert task.inputs[0].manifest == attached
        assert task.inputs[1].manifest.dataset == first.result
        assert task.inputs[1].key == first.result_key
        keys = {first.result_key, first.report_key, task.result_key, task.report_key, *(i.key for i in task.inputs)}
        assert len(keys) == 5
        assert len({first.id, first.result, task.id, task.result}) == 4

    async def test_a_chain_is_computed_from_its_start_and_each_step_is_told(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "top")
        waiting = asyncio.create_task(room.wait(ANALYST, "top", job))
        names = [(await work(room.enclave)).name for _ in range(4)]
        assert names[2:] == ["both", "top"]
        assert set(names[:2]) == {"left", "right"}
        progress = await waiting
        for name in names:
            # While it is queued there may be news of what for.
            told = [status for status, _ in groupby(status for node, status in progress if node == name)]
            # Whoever waits is told of the state, not of every change: quick ones may be skipped, none is told twice.
            assert told == [status for status in ("queued", "running", "finished") if status in told]
            assert told[-1] == "finished"
        result = await room.fetch(ANALYST, "top", job)
        assert result.name == "top.zip"

    async def test_branches_run_at_the_same_time_and_what_they_share_once(self, room: Meeting) -> None:
        await room.start(ANALYST, "both")
        leases = [await pull(room.enclave), await pull(room.enclave)]
        names = {(await lease.given()).name for lease in leases}
        assert names == {"left", "right"}
        for lease in leases:
            await lease.finish()
        assert (await work(room.enclave)).name == "both"
        started = [event.node for event in await room.events() if isinstance(event, RunStarted)]
        assert sorted(started) == ["both", "left", "right"]

    async def test_cached_results_are_used_and_no_run_is_recorded(self, room: Meeting) -> None:
        await room.wait(ANALYST, "left", await run(room, "left"))
        assert await room.wait(ANALYST, "left", await room.start(ANALYST, "left")) == []
        assert await room.count(RunStarted) == 1
        # By another analyst, as a step of something else, and without any job.
        await room.wait(OTHER, "left", await room.start(OTHER, "left"))
        await room.start(ANALYST, "both")
        assert (await work(room.enclave)).name == "right"
        first = await room.fetch(ANALYST, "left")
        assert await room.fetch(OTHER, "left") == first
        assert await room.count(RunStarted) == 3  # left, right, both

    async def test_other_data_is_another_question(self, room: Meeting) -> None:
        await room.start(ANALYST, "left")
        first = await work(room.enclave)
        await room.remove(HOSPITAL, "patients")
        await room.attach(HOSPITAL, "patients", b"new patients")
        await room.start(ANALYST, "left")
        second = await work(room.enclave)
        assert first.inputs[0].manifest != second.inputs[0].manifest
        assert await room.count(RunStarted) == 2

    async def test_an_optional_input_that_has_come_is_another_question_too(self, room: Meeting) -> None:
        await room.start(ANALYST, "of lab")
        assert (await work(room.enclave)).inputs == ()
        await room.attach(HOSPITAL, "lab")
        await room.start(ANALYST, "of lab")
        assert [each.mount for each in (await work(room.enclave)).inputs] == ["lab"]

    async def test_two_jobs_join_one_run(self, room: Meeting) -> None:
        jobs = {who: await room.start(who, "both") for who in (ANALYST, OTHER)}
        waiting = [asyncio.create_task(room.wait(who, "both", job)) for who, job in jobs.items()]
        for _ in range(3):
            await work(room.enclave)
        for told in await asyncio.gather(*waiting):
            assert told[-1] == ("both", "finished")
        results = [await room.fetch(who, "both", job) for who, job in jobs.items()]
        assert results[0] == results[1]
        assert await room.count(RunStarted) == await room.count(RunFinished) == 3

    async def test_the_same_job_sent_again_starts_nothing_more(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "alone")
        await room.start(ANALYST, "alone", job)
        await work(room.enclave)
        await room.wait(ANALYST, "alone", job)
        await room.start(ANALYST, "alone", job)
        assert await room.count(RunStarted) == 1

    async def test_missing_data_is_named(self, room: Meeting) -> None:
        await room.remove(HOSPITAL, "patients")
        for node in ("left", "both", "top"):
            with pytest.raises(Refused, match=rf"'{node}' needs data that is not there yet: .* 'patients' first") as no:
                await room.start(ANALYST, node)
            assert no.value.code == "bad_request"
        assert await room.count(RunStarted) == 0

    async def test_the_receipt_names_inputs_software_and_place_in_the_log(self, room: Meeting) -> None:
        await room.remove(HOSPITAL, "patients")
        attached = (await room.attach(HOSPITAL, "patients")).digest()
        await room.start(ANALYST, "right")
        await work(room.enclave)
        result = await room.fetch(ANALYST, "right")
        body = verify_receipt(result.receipt, room.enclave.public, result=result.manifest.digest())
        assert body.inputs == (Input(node="patients", manifest=attached), Input(node="lab", manifest=None))
        assert (body.room, body.node, body.image) == (room.id, "right", "python")
        assert body.enclave == Attested(evidence=ENCLAVE.evidence, measurement=ENCLAVE.measurement)
        assert body.worker == Attested(evidence=WORKER.evidence, measurement=WORKER.measurement)
        finished = (await room.events())[body.log_index]
        assert isinstance(finished, RunFinished)
        assert finished.manifest == result.manifest.digest()

    async def test_nothing_in_the_log_tells_of_content(self, room: Meeting) -> None:
        await room.start(ANALYST, "left")
        lease = await pull(room.enclave)
        task = await lease.given()
        outcome = await lease.finish(b"a secret result")
        text = b"".join(canonical(Event(time=0, actor="", body=event)) for event in await room.events())
        for secret in (task.result_key, task.report_key, outcome.commitment, b"a secret result"):
            assert secret not in text
            assert secret.hex().encode() not in text
        # Not even where ciphertext lies: the blob's id is the capability to read it.
        assert task.result.encode() not in text


class TestFailures:
    """Scripts that fail."""

    async def test_the_failed_dependency_is_named_to_whoever_asked(self, room: Meeting) -> None:
        job = await room.start(OTHER, "both")
        await fail(await next_of(room, "right"), "The script failed.\nValueError: (message withheld)")
        with pytest.raises(Refused, match=r"The computation 'right' failed\. The script failed\.") as caught:
            await room.wait(OTHER, "both", job)
        assert caught.value.code == "failed"
        assert await room.count(RunFailed) == 1
        with pytest.raises(Refused, match="'both' has no result"):
            await room.fetch(OTHER, "both")

    async def test_it_is_said_again_after_a_restart(self, room: Meeting) -> None:
        job = await room.start(OTHER, "both")
        await fail(await next_of(room, "right"), "It failed.")
        with pytest.raises(Refused, match="failed"):
            await room.wait(OTHER, "both", job)
        room = room.again(Enclave(room.enclave.path))
        with pytest.raises(Refused, match=r"The computation 'right' failed\. It failed\.") as caught:
            await room.wait(OTHER, "both", job)
        assert caught.value.code == "failed"
        room.enclave.close()

    async def test_a_failed_computation_can_be_run_again(self, room: Meeting) -> None:
        first = await room.start(ANALYST, "alone")
        await fail(await next_of(room, "alone"), "It failed.")
        with pytest.raises(Refused, match="failed"):
            await room.wait(ANALYST, "alone", first)
        second = await room.start(ANALYST, "alone")
        await work(room.enclave)
        await room.wait(ANALYST, "alone", second)
        assert await room.count(RunFinished) == 1

    async def test_the_console_is_for_the_analysts_of_that_very_computation(self, enclave: Enclave) -> None:
        nodes = [python("inner", logs_on_error=True), python("outer", "inner")]
        roles = [
            Participant(user=OWNER),
            Participant(user=ANALYST, analyst_of=("inner", "outer")),
            Participant(user=OTHER, analyst_of=("outer",)),
        ]
        room = await Meeting.publish(enclave, nodes, roles)
        jobs = {who: await room.start(who, "outer") for who in (ANALYST, OTHER)}
        lease = await pull(enclave)
        await lease.given()
        await lease.end(Failed(message="It failed.", log="the console"))
        with pytest.raises(Refused, match="Its console:\nthe console"):
            await room.wait(ANALYST, "outer", jobs[ANALYST])
        with pytest.raises(Refused) as caught:
            await room.wait(OTHER, "outer", jobs[OTHER])
        assert "console" not in caught.value.message
        # Neither from the log, after a restart.
        room = room.again(Enclave(enclave.path))
        with pytest.raises(Refused, match="Its console:\nthe console"):
            await room.wait(ANALYST, "outer", jobs[ANALYST])
        with pytest.raises(Refused) as caught:
            await room.wait(OTHER, "outer", jobs[OTHER])
        assert "console" not in caught.value.message
        room.enclave.close()

    async def test_waiting_ends_with_the_result_where_that_is_wanted(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "alone")
        progress: list[Progress] = []
        body = AwaitJob(node="alone", job=job, fetch=True)
        waiting = asyncio.create_task(room.ask(ANALYST, body, progress=progress))
        await work(room.enclave)
        result = checked(await waiting, Result)
        assert progress
        assert await room.count(ResultFetched) == 1
        fetched = await room.fetch(ANALYST, "alone", job)
        assert (fetched.manifest, fetched.key) == (result.manifest, result.key)

    async def test_a_device_that_was_put_out_while_it_waits_gets_no_result(self, room: Meeting) -> None:
        lost = Person(ANALYST)
        await room.enclave.ask(lost, ReadStatus(), room.id, token=room.token(lost))
        job = await room.start(ANALYST, "alone")
        body = AwaitJob(node="alone", job=job, fetch=True)
        waiting = asyncio.create_task(room.enclave.ask(lost, body, room.id))
        lease = await pull(room.enclave)
        await lease.given()
        await room.ask(ANALYST, UnbindKey(key=lost.key.hex()))
        await lease.finish()
        with pytest.raises(Refused) as caught:
            await waiting
        assert caught.value.code == "not_found"
        assert await room.count(ResultFetched) == 0

    async def test_waiting_for_a_job_that_was_never_started(self, room: Meeting) -> None:
        with pytest.raises(Refused, match="is not running") as caught:
            await room.wait(ANALYST, "alone", os.urandom(32).hex())
        assert caught.value.code == "conflict"


class TestRemoval:
    """Data that goes while, or after, something was derived from it."""

    async def test_a_run_under_way_is_voided_and_its_worker_told(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "left")
        waiting = asyncio.create_task(room.wait(ANALYST, "left", job))
        lease = await pull(room.enclave)
        task = await lease.given()
        await room.remove(HOSPITAL, "patients")
        with pytest.raises(Refused, match="had its inputs changed while it ran") as caught:
            await waiting
        assert caught.value.code == "conflict"
        over = await lease.over()
        assert isinstance(over, Refusal)
        assert over.code == "conflict"
        # A report that comes all the same changes nothing.
        status, _ = await room.enclave.post(lease.report(finished(task)))
        assert status == 409
        assert [event.reason for event in await room.events() if isinstance(event, RunVoided)] == ["input removed"]
        assert await room.count(RunFinished) == 0
        with pytest.raises(Refused):
            await room.fetch(ANALYST, "left", job)

    async def test_a_result_that_comes_in_the_same_moment_is_not_released(self, tmp_path: Path) -> None:
        """The worker's report is taken while the removal is being written: the result's key is thrown away."""
        store = HeldStore(tmp_path / "held.db")
        room = await Meeting.publish(Enclave(store.path, store=store), NODES, ROLES)
        await room.attach(HOSPITAL, "patients")
        job = await room.start(ANALYST, "left")
        lease = await pull(room.enclave)
        task = await lease.given()
        store.gate.clear()
        removing = asyncio.create_task(room.remove(HOSPITAL, "patients"))
        assert await asyncio.to_thread(store.reached.wait, SECONDS)
        await lease.end(finished(task))
        store.gate.set()
        await removing
        with pytest.raises(Refused, match="had its inputs changed"):
            await room.wait(ANALYST, "left", job)
        assert await room.count(RunFinished) == 0
        assert secrets_of(room) == 0
        room.enclave.close()

    async def test_so_it_is_where_whoever_removes_it_goes_away_meanwhile(self, tmp_path: Path) -> None:
        store = HeldStore(tmp_path / "held.db")
        room = await Meeting.publish(Enclave(store.path, store=store), NODES, ROLES)
        await room.attach(HOSPITAL, "patients")
        job = await room.start(ANALYST, "left")
        lease = await pull(room.enclave)
        await lease.given()
        await abandon(room, HOSPITAL, RemoveDataset(node="patients", request="cd" * 32), store)
        assert isinstance(await lease.over(), Refusal)
        with pytest.raises(Refused, match="had its inputs changed"):
            await room.wait(ANALYST, "left", job)
        assert [event.reason for event in await room.events() if isinstance(event, RunVoided)] == ["input removed"]
        room.enclave.close()

    async def test_how_a_computation_failed_goes_with_the_data(self, room: Meeting) -> None:
        await room.attach(HOSPITAL, "lab")
        job = await room.start(ANALYST, "of lab")
        lease = await next_of(room, "of lab")
        await lease.end(Failed(message="On line 7.", log="the console"))
        with pytest.raises(Refused, match=r"On line 7\.\n\nIts console:\nthe console"):
            await room.wait(ANALYST, "of lab", job)
        await room.remove(HOSPITAL, "lab")
        for meeting in (room, room.again(Enclave(room.enclave.path))):
            with pytest.raises(Refused, match=r"'of lab' failed\. The reason is gone\.$"):
                await meeting.wait(ANALYST, "of lab", job)
        meeting.enclave.close()

    async def test_what_is_asked_twice_does_not_end_what_began_in_between(self, room: Meeting) -> None:
        """Neither what reads other data, nor what reads the same node while it is empty."""
        await room.attach(HOSPITAL, "lab")
        removals = {node: RemoveDataset(node=node, request=os.urandom(32).hex()) for node in ("patients", "lab")}
        for body in removals.values():
            await room.ask(HOSPITAL, body)
        await room.attach(HOSPITAL, "patients")
        jobs = {node: await room.start(ANALYST, node) for node in ("left", "of lab")}
        leases = [await pull(room.enclave) for _ in jobs]
        for lease in leases:
            await lease.given()
        for body in removals.values():
            await room.ask(HOSPITAL, body)
        with pytest.raises(Refused, match="has no dataset to remove"):
            await room.remove(HOSPITAL, "lab")
        for lease in leases:
            await lease.finish()
        for node, job in jobs.items():
            await room.wait(ANALYST, node, job)

    async def test_an_optional_input_that_comes_during_a_run_does_no_harm(self, room: Meeting) -> None:
        """The job gets the answer to what was asked; asking again is another question."""
        job = await room.start(ANALYST, "of lab")
        lease = await pull(room.enclave)
        await lease.given()
        await room.attach(HOSPITAL, "lab")
        await lease.finish()
        await room.wait(ANALYST, "of lab", job)
        await room.fetch(ANALYST, "of lab", job)
        with pytest.raises(Refused, match="has no result"):
            await room.fetch(ANALYST, "of lab")
        await room.start(ANALYST, "of lab")
        assert [each.mount for each in (await work(room.enclave)).inputs] == ["lab"]

    async def test_a_chain_does_not_mix_old_data_with_new(self, room: Meeting) -> None:
        """What began over other data ends with an error where it can't be brought to the same end."""
        job = await room.start(ANALYST, "both")
        leases = [await pull(room.enclave), await pull(room.enclave)]
        for lease in leases:
            await lease.given()
        await room.attach(HOSPITAL, "lab")
        for lease in leases:
            await lease.finish()
        with pytest.raises(Refused, match=r"was changed meanwhile\. Run it again") as caught:
            await room.wait(ANALYST, "both", job)
        assert caught.value.code == "conflict"
        assert await room.count(RunFinished) == 2

    async def test_what_does_not_read_it_goes_on(self, room: Meeting) -> None:
        await room.attach(HOSPITAL, "lab")
        job = await room.start(ANALYST, "of lab")
        lease = await pull(room.enclave)
        await lease.given()
        await room.remove(HOSPITAL, "patients")
        await lease.finish()
        await room.wait(ANALYST, "of lab", job)
        assert await room.count(RunVoided) == 0

    async def test_derived_results_go_with_their_secrets(self, room: Meeting) -> None:
        await room.attach(HOSPITAL, "lab")
        top = await room.start(ANALYST, "top")
        for _ in range(4):
            await work(room.enclave)
        await room.wait(ANALYST, "top", top)
        await room.wait(ANALYST, "of lab", await run(room, "of lab"))
        assert secrets_of(room) == 2 + 5
        await room.remove(HOSPITAL, "patients")
        # What is left: the other dataset, and the result that was derived from it alone.
        assert secrets_of(room) == 2
        for node in ("left", "right", "both", "top"):
            with pytest.raises(Refused, match=r"needs data that is not there|was derived from"):
                await room.fetch(ANALYST, node)
        with pytest.raises(Refused, match="Data that this result was derived from was removed") as caught:
            await room.fetch(ANALYST, "top", top)
        assert caught.value.code == "conflict"
        await room.fetch(ANALYST, "of lab")

    async def test_the_bytes_of_deleted_secrets_are_gone_from_the_disk(self, room: Meeting) -> None:
        await room.wait(ANALYST, "left", await run(room, "left"))
        # A piece of each is enough to find it: long values are cut into several pages.
        pieces = [value[60:100] for owner, _, value in stored_secrets(room.enclave.path) if owner == room.id]
        assert len(pieces) == 2
        folder = Path(room.enclave.path).parent
        assert all(any(piece in file.read_bytes() for file in folder.iterdir()) for piece in pieces)
        await room.remove(HOSPITAL, "patients")
        assert not any(piece in file.read_bytes() for file in folder.iterdir() for piece in pieces)

    async def test_the_same_data_again_does_not_bring_the_result_back(self, room: Meeting) -> None:
        key = os.urandom(32)
        manifest = manifest_of(b"patients", key, os.urandom(32).hex())

        def attach() -> AttachDataset:
            return AttachDataset(node="patients", manifest=manifest, key=key, request=os.urandom(32).hex())

        await room.remove(HOSPITAL, "patients")
        await room.ask(HOSPITAL, attach())
        await room.wait(ANALYST, "left", await run(room, "left"))
        await room.remove(HOSPITAL, "patients")
        await room.ask(HOSPITAL, attach())
        with pytest.raises(Refused, match="Run it first"):
            await room.fetch(ANALYST, "left")
        await run(room, "left")
        assert await room.count(RunStarted) == 2

    async def test_attaching_again_is_refused_and_repeating_the_request_is_not(self, room: Meeting) -> None:
        key = os.urandom(32)
        manifest = manifest_of(b"lab", key, os.urandom(32).hex())
        first = AttachDataset(node="lab", manifest=manifest, key=key, request="ab" * 32)
        for _ in range(2):
            await room.ask(HOSPITAL, first)
        second = msgspec.structs.replace(first, request="cd" * 32)
        with pytest.raises(Refused, match=r"already has a dataset\. Remove that one first") as caught:
            await room.ask(HOSPITAL, second)
        assert caught.value.code == "conflict"
        await room.remove(HOSPITAL, "lab")
        # Delivered once more, late: what was removed stays removed.
        await room.ask(HOSPITAL, first)
        with pytest.raises(Refused, match="has no dataset to remove"):
            await room.remove(HOSPITAL, "lab")

    async def test_removing_again_changes_nothing_more(self, room: Meeting) -> None:
        body = RemoveDataset(node="patients", request="cd" * 32)
        await room.ask(HOSPITAL, body)
        await room.attach(HOSPITAL, "patients")
        await room.ask(HOSPITAL, body)
        assert await room.count(DatasetRemoved) == 1
        await room.remove(HOSPITAL, "patients")
        with pytest.raises(Refused, match="has no dataset to remove") as caught:
            await room.remove(HOSPITAL, "patients")
        assert caught.value.code == "conflict"


class TestStop:
    """Rooms that end."""

    async def test_a_run_under_way_is_voided(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "both")
        waiting = asyncio.create_task(room.wait(ANALYST, "both", job))
        lease = await pull(room.enclave)
        await lease.given()
        await room.ask(OWNER, StopRoom())
        with pytest.raises(Refused, match="because the room was stopped"):
            await waiting
        assert isinstance(await lease.over(), Refusal)
        reasons = [event.reason for event in await room.events() if isinstance(event, RunVoided)]
        assert reasons == ["room stopped"] * 2  # left and right; both had not begun

    async def test_so_it_is_where_whoever_stops_it_goes_away_meanwhile(self, tmp_path: Path) -> None:
        store = HeldStore(tmp_path / "held.db")
        room = await Meeting.publish(Enclave(store.path, store=store), NODES, ROLES)
        job = await room.start(ANALYST, "alone")
        lease = await pull(room.enclave)
        await lease.given()
        await abandon(room, OWNER, StopRoom(), store)
        assert isinstance(await lease.over(), Refusal)
        with pytest.raises(Refused, match="because the room was stopped"):
            await room.wait(ANALYST, "alone", job)
        room.enclave.close()

    async def test_where_it_was_not_known_that_it_is_stopped_asking_again_ends_what_is_under_way(
        self, tmp_path: Path
    ) -> None:
        room = await unknowingly_stopped(tmp_path)
        job = await room.start(ANALYST, "alone")
        lease = await pull(room.enclave)
        await lease.given()
        await lose_sight(room)
        await room.ask(OWNER, StopRoom())
        assert isinstance(await lease.over(), Refusal)
        with pytest.raises(Refused, match="because the room was stopped"):
            await room.wait(ANALYST, "alone", job)
        room.enclave.close()

    async def test_how_a_computation_fails_is_not_told_any_more(self, tmp_path: Path) -> None:
        """As its result wouldn't be: the decision is taken when it comes in."""
        room = await unknowingly_stopped(tmp_path)
        await room.attach(HOSPITAL, "lab")
        job = await room.start(ANALYST, "of lab")
        lease = await pull(room.enclave)
        await lease.given()
        await lose_sight(room)
        before = secrets_of(room)
        await lease.end(Failed(message="On line 7.", log="the console"))
        with pytest.raises(Refused, match="because the room was stopped"):
            await room.wait(ANALYST, "of lab", job)
        assert await room.count(RunFailed) == 0
        assert await room.count(RunVoided) == 1
        assert secrets_of(room) == before
        room.enclave.close()

    async def test_nor_how_one_has_failed_before(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "of lab")
        lease = await next_of(room, "of lab")
        await lease.end(Failed(message="On line 7.", log="the console"))
        with pytest.raises(Refused, match="On line 7"):
            await room.wait(ANALYST, "of lab", job)
        path = Path(room.enclave.path)
        change(path, KEEP, one=room.id)
        await room.ask(OWNER, StopRoom())
        await room.remove(HOSPITAL, "patients")
        assert secrets_of(room) == 0
        # Nor where it is still there, as it was beside rooms that older enclaves have stopped.
        change(path, "INSERT INTO secrets SELECT :one, name, sealed FROM kept", one=room.id)
        for meeting in (room, room.again(Enclave(path))):
            with pytest.raises(Refused, match="The room was stopped") as caught:
                await meeting.wait(ANALYST, "of lab", job)
            assert "line 7" not in caught.value.message
        meeting.enclave.close()

    async def test_nothing_can_be_attached_run_or_fetched_but_data_removed(self, room: Meeting) -> None:
        await room.wait(ANALYST, "left", await run(room, "left"))
        await room.ask(OWNER, StopRoom())
        await room.ask(OWNER, StopRoom())
        assert await room.count(Stopped) == 1
        for ask in (
            lambda: room.attach(HOSPITAL, "lab"),
            lambda: room.start(ANALYST, "left"),
            lambda: room.start(ANALYST, "alone"),
            lambda: room.fetch(ANALYST, "left"),
        ):
            with pytest.raises(Refused, match="The room was stopped") as caught:
                await ask()
            assert caught.value.code == "conflict"
        await room.remove(HOSPITAL, "patients")
        assert secrets_of(room) == 0


class TestWorkers:
    """Workers that go, fail, lie, or come too late."""

    async def test_a_lost_worker_is_replaced_and_nothing_of_its_attempt_is_used(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "alone")
        first = await pull(room.enclave)
        task = await first.given()
        await first.hang_up()
        second = await pull(room.enclave)
        again = await second.given()
        assert not {task.id, task.result} & {again.id, again.result}
        assert not {task.result_key, task.report_key} & {again.result_key, again.report_key}
        status, body = await room.enclave.post(first.report(finished(task)))
        assert (status, b"no such task" in body) == (409, True)
        await second.finish()
        await room.wait(ANALYST, "alone", job)
        assert (await room.fetch(ANALYST, "alone")).manifest.dataset == again.result
        assert await room.count(RunStarted) == await room.count(RunFinished) == 1

    @pytest.mark.parametrize("unable", [False, True], ids=["lost", "unable"])
    async def test_two_in_turn_and_the_run_is_voided(self, room: Meeting, unable: bool) -> None:
        job = await room.start(ANALYST, "top")
        for _ in range(2):
            lease = await next_of(room, "left")
            if unable:
                await lease.end(Unable(message="No container runtime."))
            else:
                await lease.hang_up()
        with pytest.raises(Refused, match=r"'left' lost its worker twice\. Run it again") as caught:
            await room.wait(ANALYST, "top", job)
        assert caught.value.code == "conflict"
        events = [event for event in await room.events() if isinstance(event, RunVoided)]
        assert [(event.node, event.reason) for event in events] == [("left", "worker lost")]
        # And can be run again.
        await room.start(ANALYST, "left")
        await next_of(room, "left")

    async def test_unable_and_then_able(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "alone")
        await (await next_of(room, "alone")).end(Unable(message="No container runtime."))
        await work(room.enclave)
        await room.wait(ANALYST, "alone", job)

    async def test_a_task_waits_for_a_worker_and_a_worker_for_a_task(self, room: Meeting) -> None:
        lease = await pull(room.enclave)
        job = await room.start(ANALYST, "alone")
        await lease.given()
        await lease.finish()
        await room.wait(ANALYST, "alone", job)
        await room.fetch(ANALYST, "alone", job)

    async def test_a_worker_that_has_left_before_there_was_a_task_gets_none(self, room: Meeting) -> None:
        gone = await pull(room.enclave)
        await gone.hang_up()
        job = await room.start(ANALYST, "alone")
        await work(room.enclave)
        await room.wait(ANALYST, "alone", job)

    async def test_a_result_that_is_not_the_tasks_counts_as_no_result(self, room: Meeting) -> None:
        """Stored elsewhere, under another key, or described by a manifest that can't be."""
        for spoil in range(3):
            await room.start(ANALYST, "alone")
            for _ in range(2):
                lease = await next_of(room, "alone")
                task = lease.task
                assert task is not None
                good = finished(task)
                manifest = (
                    manifest_of(b"PK", task.result_key, os.urandom(32).hex()),
                    manifest_of(b"PK", os.urandom(32), task.result),
                    msgspec.structs.replace(good.manifest, size=5),
                )[spoil]
                await lease.end(Finished(manifest=manifest, commitment=good.commitment))
        reasons = [event.reason for event in await room.events() if isinstance(event, RunVoided)]
        assert reasons == ["worker lost"] * 3
        assert await room.count(RunFinished) == 0

    async def test_reports_by_others_are_refused(self, room: Meeting) -> None:
        await room.start(ANALYST, "left")
        await room.start(ANALYST, "alone")
        mine, others = await pull(room.enclave), await pull(room.enclave)
        task, other = await mine.given(), await others.given()
        # Another worker's report, under this task's id; the right report, changed; a task that never was.
        foreign = others.report(finished(other))
        report = bytearray(mine.report(finished(task)))
        report[-1] ^= 1
        unknown = foreign[:1] + os.urandom(32) + foreign[33:]
        for message, status in (
            (foreign[:1] + bytes.fromhex(task.id) + foreign[33:], 400),
            (bytes(report), 400),
            (foreign[:40], 400),
            (unknown, 409),
            (foreign[:20], 400),
        ):
            assert (await room.enclave.post(message))[0] == status
        # The task is still its worker's.
        await mine.finish()
        assert await room.count(RunFinished) == 1

    async def test_a_report_can_not_be_sent_twice(self, room: Meeting) -> None:
        await room.start(ANALYST, "alone")
        lease = await pull(room.enclave)
        report = lease.report(finished(await lease.given()))
        assert (await room.enclave.post(report))[0] == 200
        assert (await room.enclave.post(report))[0] == 409
        assert await lease.over() == Answer(body=Done())

    async def test_nonsense_under_the_right_key_is_refused(self, room: Meeting) -> None:
        await room.start(ANALYST, "alone")
        lease = await pull(room.enclave)
        task = await lease.given()
        assert lease.sealed is not None
        for payload in (b"", b"{}", b'{"version":2}', b"\xff"):
            message = seal_report(bytes.fromhex(task.id), lease.sealed.sealed, task.report_key, payload)
            assert (await room.enclave.post(message))[0] == 400
        await lease.finish()


class TestQueue:
    """Fair and bounded."""

    async def test_users_take_turns_whoever_has_asked_for_more(self, enclave: Enclave) -> None:
        nodes = [python(f"n{number}") for number in range(6)]
        names = tuple(node.id for node in nodes)
        roles = [Participant(user=OWNER, analyst_of=names), Participant(user=OTHER, analyst_of=names)]
        greedy = await Meeting.publish(enclave, nodes, roles)
        modest = await Meeting.publish(enclave, nodes, roles)
        for name in names[:5]:
            await queued(greedy, OWNER, name)
        for name in names[4:]:
            await queued(modest, OTHER, name)
        order = [(await work(enclave)).name for _ in range(7)]
        assert order == ["n0", "n4", "n1", "n5", "n2", "n3", "n4"]

    async def test_a_user_can_have_only_so_many_waiting(self, enclave: Enclave) -> None:
        nodes = [*(python(f"n{number}") for number in range(Allowances().waiting_per_user)), python("one more")]
        names = tuple(node.id for node in nodes)
        roles = [Participant(user=OWNER, analyst_of=names), Participant(user=OTHER, analyst_of=names)]
        room = await Meeting.publish(enclave, nodes, roles)
        for name in names[:-1]:
            await room.start(OWNER, name)
        with pytest.raises(
            Refused, match=f"{Allowances().waiting_per_user} of your computations are waiting.*in 30 seconds"
        ) as caught:
            await room.start(OWNER, "one more")
        assert caught.value.code == "busy"
        # Others are not held up, nor is what is computed already; and it goes on when one has ended.
        job = await queued(room, OTHER, "one more")
        await room.start(OWNER, "n0")
        for _ in range(2):
            await work(enclave)
        await room.wait(OTHER, "one more", job)
        await room.start(OWNER, "one more")

    async def test_what_waits_for_its_inputs_counts_too(self, enclave: Enclave) -> None:
        chain = [python("n0"), *(python(f"n{number}", f"n{number - 1}") for number in range(1, 150))]
        names = tuple(node.id for node in chain)
        roles = [Participant(user=OWNER, analyst_of=names)]
        rooms = [await Meeting.publish(enclave, chain, roles) for _ in range(2)]
        await rooms[0].start(OWNER, "n149")
        with pytest.raises(Refused, match="of your computations are waiting"):
            await rooms[1].start(OWNER, "n149")


class TestRestart:
    """A new process on the same store."""

    async def test_a_run_that_was_under_way_is_reported_so_and_can_be_run_again(self, room: Meeting) -> None:
        job = await room.start(ANALYST, "top")
        await next_of(room, "right")
        await room.wait(ANALYST, "left", await room.start(ANALYST, "left"))
        room = room.again(Enclave(room.enclave.path))
        with pytest.raises(Refused, match="interrupted by a restart of the enclave") as caught:
            await room.wait(ANALYST, "top", job)
        assert caught.value.code == "conflict"
        reasons = [(event.node, event.reason) for event in await room.events() if isinstance(event, RunVoided)]
        assert reasons == [("right", "interrupted")]
        again = await room.start(ANALYST, "top")
        for name in ("right", "both", "top"):
            assert (await work(room.enclave)).name == name
        await room.wait(ANALYST, "top", again)
        room.enclave.close()

    async def test_nothing_that_was_there_is_lost(self, room: Meeting) -> None:
        job = await run(room, "left")
        await room.wait(ANALYST, "left", job)
        result = await room.fetch(ANALYST, "left", job)
        events = await room.events()
        room = room.again(Enclave(room.enclave.path))
        assert await room.fetch(ANALYST, "left", job) == result
        assert await room.fetch(ANALYST, "left") == result
        assert (await room.events())[: len(events)] == events
        await room.wait(ANALYST, "left", job)
        room.enclave.close()


class HeldStore(SqliteStore):
    """A store whose writing can be held up: then ``reached`` tells that somebody writes, who goes on when ``gate``
    is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.gate.set()

    def append(
        self,
        room: str,
        expected_size: int,
        rows: Sequence[bytes],
        *,
        put: Mapping[str, bytes] | None = None,
        holds: Mapping[str, str] | None = None,
        delete: Iterable[str] = (),
    ) -> None:
        if not self.gate.is_set():
            self.reached.set()
            assert self.gate.wait(SECONDS)
        super().append(room, expected_size, rows, put=put, holds=holds, delete=delete)


async def abandon(room: Meeting, who: str, body: RequestBody, store: HeldStore) -> None:
    """Asks, and goes away while what follows from it is being written."""
    person = room.people[who]
    payload = msgspec.json.encode(Request(body=body, room=room.id, user=who, token=room.token(person)))
    _, exchange = seal_request(room.enclave.keys, payload, person.device)

    async def ask() -> None:
        async for _ in room.enclave.service.answer(OpenedRequest(payload, person.key, exchange)):
            pass

    await room.ask(who, ReadStatus())
    store.gate.clear()
    asking = asyncio.create_task(ask())
    assert await asyncio.to_thread(store.reached.wait, SECONDS)
    asking.cancel()
    await asyncio.sleep(0)
    store.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def unknowingly_stopped(folder: Path) -> Meeting:
    """A room that `lose_sight` stops."""
    path = folder / "losing.db"
    return await Meeting.publish(Enclave(path, store=LosingStore(path)), NODES, ROLES)


async def lose_sight(room: Meeting) -> None:
    """Stops the room, of which the enclave learns only afterwards."""
    await room.ask(OWNER, ReadStatus())
    checked(room.enclave.store, LosingStore).lose = "after"
    with pytest.raises(Refused, match="lost its store while it wrote"):
        await room.ask(OWNER, StopRoom())
    with pytest.raises(Refused, match="what was asked for last has happened"):
        await room.events()


async def queued(room: Meeting, who: str, node: str) -> str:
    """Starts a computation and waits until it is in the queue; the job."""
    job = await room.start(who, node)
    request = Request(body=AwaitJob(node=node, job=job), room=room.id, user=who)
    async with aclosing(room.enclave.frames(request, room.people[who].device)) as frames:
        async for payload in frames:
            if msgspec.json.decode(payload, type=Progress).status == "queued":
                return job
    raise AssertionError("it was never queued")


async def next_of(room: Meeting, name: str) -> Lease:
    """A worker's lease of the computation of that name; others before it are finished."""
    while True:
        lease = await pull(room.enclave)
        if (await lease.given()).name == name:
            return lease
        await lease.finish()


async def run(room: Meeting, node: str) -> str:
    """Runs one computation whose inputs are there; the job."""
    job = await room.start(ANALYST, node)
    await work(room.enclave)
    return job


async def fail(lease: Lease, message: str) -> None:
    await lease.end(Failed(message=message))


def secrets_of(room: Meeting) -> int:
    """How many secrets lie beside the room's log."""
    return sum(owner == room.id for owner, _, _ in stored_secrets(room.enclave.path))
