"""What a machine has seen of a log can't be taken back."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import UNSET

from cloister.errors import BadRequestError, CloisterError, LogTampered, RollbackDetected
from cloister.formats.checkpoint import Checkpoint, sign_checkpoint
from cloister.formats.encoding import canonical
from cloister.formats.merkle import EMPTY_ROOT, MerkleTree
from cloister.protocol import Answer, Log, ReadLog, Request
from cloister.rooms.audit import audit_line, audit_text
from cloister.rooms.events import Event, LogRead, Restored, ResultFetched, Stopped
from cloister.sdk.checkpoints import CheckpointMemory
from cloister.sdk.folder import StateFolder

from .conftest import BOB, Room, World

Publish = Callable[..., Room]
ROOM = "cd" * 32
SIGNING = Ed25519PrivateKey.generate()
PUBLIC = SIGNING.public_key().public_bytes_raw()


def _tree(size: int, salt: bytes = b"") -> MerkleTree:
    tree = MerkleTree()
    for index in range(size):
        tree.append(salt + index.to_bytes(2, "big"))
    return tree


def _note(tree: MerkleTree, size: int | None = None, key: Ed25519PrivateKey = SIGNING) -> str:
    size = len(tree) if size is None else size
    return sign_checkpoint(Checkpoint(ROOM, size, tree.root(size)), key)


def _accept(memory: CheckpointMemory, tree: MerkleTree, size: int) -> None:
    seen = memory.newest(ROOM)
    proof = tuple(tree.consistency_proof(seen.size, size)) if seen.size <= size else ()
    memory.accept(seen, _note(tree, size), PUBLIC, proof)


def test_nothing_seen_is_an_empty_log(tmp_path: Path) -> None:
    assert CheckpointMemory(StateFolder(tmp_path)).newest(ROOM) == Checkpoint(ROOM, 0, EMPTY_ROOT)


def test_it_is_remembered_by_other_processes(tmp_path: Path) -> None:
    tree = _tree(9)
    _accept(CheckpointMemory(StateFolder(tmp_path / "state")), tree, 5)
    other = CheckpointMemory(StateFolder(tmp_path / "state"))
    assert other.newest(ROOM) == Checkpoint(ROOM, 5, tree.root(5))
    with pytest.raises(RollbackDetected, match="does not extend the 5 events"):
        _accept(other, tree, 4)
    with pytest.raises(RollbackDetected):
        _accept(other, _tree(9, b"fork"), 9)
    assert other.newest(ROOM).size == 5


def test_another_signing_key_must_extend_what_was_seen_too(tmp_path: Path) -> None:
    memory, tree, fresh = CheckpointMemory(StateFolder(tmp_path)), _tree(9), Ed25519PrivateKey.generate()
    _accept(memory, tree, 5)
    seen = memory.newest(ROOM)
    public = fresh.public_key().public_bytes_raw()
    with pytest.raises(RollbackDetected):
        memory.accept(seen, _note(tree, 3, fresh), public, ())
    memory.accept(seen, _note(tree, 7, fresh), public, tuple(tree.consistency_proof(5, 7)))
    assert CheckpointMemory(StateFolder(tmp_path)).newest(ROOM).size == 7


def test_a_declared_restore_is_accepted_knowingly_and_once(tmp_path: Path) -> None:
    memory, tree, fork = CheckpointMemory(StateFolder(tmp_path)), _tree(9), _tree(9, b"after the restore")
    first, second = Restored(restore="01" * 32, declared=1_700_000_000_000), Restored(restore="02" * 32, declared=1)
    _accept(memory, tree, 7)
    seen = memory.newest(ROOM)
    # 1. Undeclared: nothing to accept.
    with pytest.raises(RollbackDetected, match="Somebody may have restored"):
        memory.accept(seen, _note(fork, 5), PUBLIC, ())
    with pytest.raises(BadRequestError, match="declared no restore"):
        memory.accept_restored(seen, _note(fork, 5), PUBLIC, (), UNSET)
    # 2. Declared: still refused, until it is accepted. The proof is kept.
    with pytest.raises(RollbackDetected, match=r"declared .* 2023-11-14 at 22:13 UTC.*accept_restored_log"):
        memory.accept(seen, _note(fork, 5), PUBLIC, (), first)
    before = (tmp_path / "checkpoints" / f"{ROOM}.json").read_bytes()
    evidence = memory.accept_restored(seen, _note(fork, 5), PUBLIC, (), first)
    assert evidence is not None
    assert evidence.read_bytes() == before
    # 3. From then on that is what must be extended, on this machine, in every process.
    for process in (memory, CheckpointMemory(StateFolder(tmp_path))):
        assert process.newest(ROOM) == Checkpoint(ROOM, 5, fork.root(5))
        proof = tuple(fork.consistency_proof(5, 8))
        process.accept(process.newest(ROOM), _note(fork, 5), PUBLIC, (), first)
    assert memory.accept_restored(memory.newest(ROOM), _note(fork, 8), PUBLIC, proof, first) is None
    # 4. A declaration that this machine knows of excuses nothing that comes after it.
    seen = memory.newest(ROOM)
    with pytest.raises(RollbackDetected, match="Somebody may have restored"):
        memory.accept(seen, _note(fork, 6), PUBLIC, (), first)
    with pytest.raises(BadRequestError, match="declared no restore"):
        memory.accept_restored(seen, _note(fork, 6), PUBLIC, (), first)
    assert memory.accept_restored(seen, _note(fork, 6), PUBLIC, (), second) is not None
    other = _note(fork, 2, Ed25519PrivateKey.generate())
    with pytest.raises(LogTampered, match="another key"):
        memory.accept_restored(memory.newest(ROOM), other, PUBLIC, (), second)


def test_answers_that_come_out_of_order_are_no_rollback(tmp_path: Path) -> None:
    memory, tree = CheckpointMemory(StateFolder(tmp_path)), _tree(9)
    before = memory.newest(ROOM)
    memory.accept(before, _note(tree, 6), PUBLIC, ())
    memory.accept(before, _note(tree, 5), PUBLIC, ())
    assert memory.newest(ROOM).size == 6
    # But two logs of one length can't both be true.
    with pytest.raises(RollbackDetected):
        memory.accept(before, _note(_tree(9, b"fork"), 6), PUBLIC, ())


def test_a_checkpoint_of_another_key_or_room_is_refused(tmp_path: Path) -> None:
    memory, tree = CheckpointMemory(StateFolder(tmp_path)), _tree(3)
    before = memory.newest(ROOM)
    with pytest.raises(LogTampered, match="another key"):
        memory.accept(before, _note(tree, key=Ed25519PrivateKey.generate()), PUBLIC, ())
    with pytest.raises(LogTampered, match="another room"):
        memory.accept(memory.newest("ef" * 32), _note(tree), PUBLIC, ())
    assert memory.newest(ROOM).size == 0


def test_the_files_are_the_users_alone(tmp_path: Path) -> None:
    _accept(CheckpointMemory(StateFolder(tmp_path / "home")), _tree(3), 3)
    for path in (tmp_path / "home").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"version":1,"signing":"00","note":""}'])
def test_a_damaged_file_is_not_taken_for_none(content: bytes, tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.write(f"checkpoints/{ROOM}.json", content)
    with pytest.raises(CloisterError, match="damaged"):
        CheckpointMemory(folder).newest(ROOM)


def test_where_nothing_can_be_written_memory_has_to_do(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    memory, tree = CheckpointMemory(StateFolder(in_the_way)), _tree(9)
    _accept(memory, tree, 5)
    _accept(memory, tree, 7)
    with pytest.raises(RollbackDetected):
        _accept(memory, tree, 6)


def test_many_at_once_keep_the_newest(tmp_path: Path) -> None:
    tree = _tree(40)
    before = Checkpoint(ROOM, 0, EMPTY_ROOT)
    notes = {size: _note(tree, size) for size in range(1, 41)}

    def see(size: int) -> None:
        CheckpointMemory(StateFolder(tmp_path)).accept(before, notes[size], PUBLIC, ())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(see, [*range(40, 0, -3), *range(1, 40, 2)]))
    assert CheckpointMemory(StateFolder(tmp_path)).newest(ROOM).size == 40
    assert [path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.startswith(".")] == [".lock"]


class Machines(RuleBasedStateMachine):
    """Two processes of a machine, an honest log that grows, and one that branched off it somewhere."""

    def __init__(self) -> None:
        super().__init__()
        # In memory: it is written hundreds of times, to disk each time.
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm")
        self.processes = [CheckpointMemory(StateFolder(Path(self.folder.name))) for _ in range(2)]
        self.honest = [b"published"]
        self.seen = 0

    def _tree(self, entries: list[bytes]) -> MerkleTree:
        tree = MerkleTree()
        for entry in entries:
            tree.append(entry)
        return tree

    @rule(count=st.integers(1, 5))
    def grow(self, count: int) -> None:
        self.honest += [b"event %d" % (len(self.honest) + index) for index in range(count)]

    @rule(process=st.integers(0, 1))
    def ask(self, process: int) -> None:
        tree = self._tree(self.honest)
        _accept(self.processes[process], tree, len(tree))
        self.seen = len(tree)

    @rule(process=st.integers(0, 1))
    def restart(self, process: int) -> None:
        self.processes[process] = CheckpointMemory(StateFolder(Path(self.folder.name)))

    @precondition(lambda self: self.seen)
    @rule(process=st.integers(0, 1), data=st.data())
    def roll_back(self, process: int, data: st.DataObject) -> None:
        kept = data.draw(st.integers(0, self.seen - 1))
        added = data.draw(st.integers(0 if kept else 1, 8))
        tree = self._tree(self.honest[:kept] + [b"other %d" % index for index in range(added)])
        memory = self.processes[process]
        seen = memory.newest(ROOM)
        proof = tuple(tree.consistency_proof(seen.size)) if seen.size <= len(tree) else ()
        with pytest.raises(RollbackDetected):
            memory.accept(seen, _note(tree), PUBLIC, proof)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        for memory in self.processes:
            assert memory.newest(ROOM).size == self.seen

    def teardown(self) -> None:
        self.folder.cleanup()


TestMachines = Machines.TestCase


# --- over the wire ----------------------------------------------------------------------------------------------------


def test_an_enclave_that_has_forgotten_is_caught(publish: Publish, world: World) -> None:
    room = publish()
    room.dcr.retrieve_audit_log()
    del world.hub.enclave.rooms[room.dcr.id].events[2:]
    with pytest.raises(RollbackDetected, match="Attach no data"):
        room.dcr.status()
    # So it is for the next process on this machine, and after the log has grown again.
    world.hub.enclave.rooms[room.dcr.id].append(BOB, Stopped())
    with pytest.raises(RollbackDetected):
        world.client().retrieve_analytics_dcr(room.dcr.id)


def test_a_checkpoint_of_another_room_is_caught(publish: Publish, world: World) -> None:
    first, second = publish(), publish()
    notes: dict[str, str | None] = {}

    def swap(request: Request, answer: Answer) -> Answer:
        other = notes.get(first.dcr.id if request.room == second.dcr.id else second.dcr.id)
        notes[request.room or ""] = answer.checkpoint
        return msgspec.structs.replace(answer, checkpoint=other) if other else answer

    world.hub.enclave.on_answer = swap
    first.dcr.status()
    with pytest.raises(LogTampered, match="another room"):
        second.dcr.status()


def test_an_answer_without_a_checkpoint_is_refused(publish: Publish, world: World) -> None:
    room = publish()
    world.hub.enclave.on_answer = lambda request, answer: msgspec.structs.replace(answer, checkpoint=None)
    with pytest.raises(LogTampered, match="lacks"):
        room.dcr.status()


EVENT = canonical(Event(time=1_700_000_000_000, actor=BOB, body=Stopped()))
LIES: dict[str, Callable[[tuple[bytes, ...]], tuple[bytes, ...]]] = {
    "leaves out the first": lambda events: events[1:],
    "says one twice": lambda events: (*events, events[-1]),
    "turns them around": lambda events: events[::-1],
    "has one too many": lambda events: (*events, EVENT),
    "has another": lambda events: (*events[:-1], EVENT),
    "says nothing": lambda events: (),
}


@pytest.mark.parametrize(("page", "place"), [(1000, 0), (4, 0), (4, 1), (4, 2)])
@pytest.mark.parametrize("lie", LIES)
def test_an_audit_log_with_a_page_that_lies_is_caught(
    lie: str, place: int, page: int, publish: Publish, world: World
) -> None:
    room = _with_events(publish, world, 11)
    world.hub.enclave.page = page
    asked: list[int] = []
    honest: list[tuple[bytes, ...]] = []

    def change(request: Request, answer: Answer) -> Answer:
        assert isinstance(answer.body, Log)
        assert isinstance(request.body, ReadLog)
        asked.append(request.body.start)
        honest.append(answer.body.events)
        if len(asked) != place + 1:
            return answer
        return msgspec.structs.replace(answer, body=Log(events=LIES[lie](answer.body.events)))

    world.hub.enclave.on_answer = change
    if place == 2 and lie in ("says one twice", "has one too many"):
        # It comes behind all that was asked for, and is not shown.
        assert room.dcr.retrieve_audit_log() == audit_text(
            msgspec.json.decode(event, type=Event) for page_ in honest for event in page_
        )
        return
    with pytest.raises(LogTampered, match="audit log"):
        room.dcr.retrieve_audit_log()
    assert len(asked) <= 4


def test_an_audit_log_that_never_ends_is_given_up(publish: Publish, world: World) -> None:
    """Every answer leaves something out, and every request makes the log longer."""
    room = _with_events(publish, world, 10)

    def shorten(request: Request, answer: Answer) -> Answer:
        assert isinstance(answer.body, Log)
        return msgspec.structs.replace(answer, body=Log(events=answer.body.events[1:]))

    world.hub.enclave.on_answer = shorten
    with pytest.raises(LogTampered, match="audit log"):
        room.dcr.retrieve_audit_log()


@pytest.mark.parametrize("page", [1, 2, 3, 7, 12, 13, 14, 1000])
def test_a_long_log_is_read_page_by_page(page: int, publish: Publish, world: World) -> None:
    room = _with_events(publish, world, 12)
    world.hub.enclave.page = page
    peer = world.hub.enclave.rooms[room.dcr.id]
    starts: list[int] = []

    def note(request: Request, answer: Answer) -> Answer:
        if isinstance(request.body, ReadLog):
            starts.append(request.body.start)
            # Others are busy meanwhile.
            peer.append(BOB, LogRead(size=1))
        return answer

    world.hub.enclave.on_answer = note
    lines = room.dcr.retrieve_audit_log().splitlines()
    # All that had happened when the first page was asked for, with that; what came while it was read is for next time.
    assert lines == [audit_line(msgspec.json.decode(event, type=Event)) for event in peer.events[:13]]
    assert starts == list(range(0, 13, page))
    world.hub.enclave.on_answer = lambda request, answer: answer
    assert len(room.dcr.retrieve_audit_log().splitlines()) == 13 + 2 * len(starts)


def _with_events(publish: Publish, world: World, count: int) -> Room:
    """A room whose log has so many events."""
    room = publish()
    peer = world.hub.enclave.rooms[room.dcr.id]
    while len(peer.events) < count:
        peer.append(BOB, ResultFetched(run=f"{len(peer.events):064x}", node="upper"))
    return room
