"""Nothing is handed out as a result that the receipt doesn't vouch for."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.errors import CloisterError, DecryptionFailed, NotFoundError, ReceiptInvalid, VerificationError
from cloister.formats.checkpoint import Checkpoint, sign_checkpoint
from cloister.formats.dataset import PART_SIZE
from cloister.formats.receipt import Attested, Input, ReceiptBody, sign_receipt, verify_receipt
from cloister.protocol import Answer, Request, Result, RoomContent
from cloister.rooms.events import Event, RunFinished, RunStarted
from cloister.sdk.key import Key
from cloister.sdk.results import check_log
from cloister.trust import software

from .conftest import BOB, Room, World
from .enclave_peer import PeerEnclave
from .hub_peer import problem

Publish = Callable[..., Room]
OTHER = "ab" * 32
_SOFTWARE = Attested(evidence=software.TYPE, measurement=software.measurement("worker"))

RECEIPTS: dict[str, Callable[[ReceiptBody, PeerEnclave], ReceiptBody]] = {
    "another room": lambda body, enclave: msgspec.structs.replace(body, room=OTHER),
    "another node": lambda body, enclave: msgspec.structs.replace(body, node="lower"),
    "another script": lambda body, enclave: msgspec.structs.replace(body, definition=OTHER),
    "another image": lambda body, enclave: msgspec.structs.replace(body, image="r"),
    "another image of that name": lambda body, enclave: msgspec.structs.replace(body, image_measurement=OTHER),
    "another enclave": lambda body, enclave: msgspec.structs.replace(body, enclave=_SOFTWARE),
    "another worker": lambda body, enclave: msgspec.structs.replace(
        body, worker=Attested(evidence=software.TYPE, measurement=OTHER)
    ),
    "a worker of another kind": lambda body, enclave: msgspec.structs.replace(
        body, worker=Attested(evidence="sev-snp", measurement=_SOFTWARE.measurement)
    ),
    "no inputs": lambda body, enclave: msgspec.structs.replace(body, inputs=()),
    "another input": lambda body, enclave: msgspec.structs.replace(body, inputs=(Input(node="x", manifest=OTHER),)),
    "a missing input": lambda body, enclave: msgspec.structs.replace(body, inputs=(Input(node="text", manifest=None),)),
    "an event that is not there": lambda body, enclave: msgspec.structs.replace(body, log_index=99),
    "a checkpoint of another room": lambda body, enclave: msgspec.structs.replace(
        body, checkpoint=sign_checkpoint(Checkpoint(OTHER, 9, b"\x00" * 32), enclave.signing)
    ),
    "a checkpoint of another enclave": lambda body, enclave: msgspec.structs.replace(
        body, checkpoint=sign_checkpoint(Checkpoint(body.room, 9, b"\x00" * 32), Ed25519PrivateKey.generate())
    ),
    "a log that is longer than the room's": lambda body, enclave: msgspec.structs.replace(
        body, checkpoint=sign_checkpoint(Checkpoint(body.room, 99, b"\x00" * 32), enclave.signing)
    ),
}


def _ready(publish: Publish) -> Room:
    room = publish()
    room.text.upload_and_publish_dataset(b"text", Key(), "x")
    return room


@pytest.mark.parametrize("claim", RECEIPTS)
def test_a_receipt_about_something_else_is_refused(claim: str, publish: Publish, world: World) -> None:
    room = _ready(publish)
    enclave = world.hub.enclave
    enclave.on_receipt = lambda body: RECEIPTS[claim](body, enclave)
    with pytest.raises(ReceiptInvalid):
        room.upper.run_computation_and_get_results_as_zip()
    assert room.upper.receipt is None


def _changed(result: Result, enclave: PeerEnclave, what: str) -> Result:
    match what:
        case "signed by somebody else":
            body = verify_receipt(result.receipt, enclave.public, result=result.manifest.digest())
            forged = sign_receipt(body, result.manifest.digest(), "x", Ed25519PrivateKey.generate())
            return msgspec.structs.replace(result, receipt=forged)
        case "about another result":
            body = verify_receipt(result.receipt, enclave.public, result=result.manifest.digest())
            return msgspec.structs.replace(result, receipt=sign_receipt(body, OTHER, "x", enclave.signing))
        case "one byte changed":
            receipt = result.receipt.replace(b"payload", b"paylaod", 1)
            return msgspec.structs.replace(result, receipt=receipt)
        case "another manifest":
            manifest = enclave.store(b"something else", result.key)
            return msgspec.structs.replace(result, manifest=manifest)
        case "another key":
            return msgspec.structs.replace(result, key=Key().material)
        case _:
            return msgspec.structs.replace(result, commitment=b"\x00" * 32)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("signed by somebody else", ReceiptInvalid),
        ("about another result", ReceiptInvalid),
        ("one byte changed", ReceiptInvalid),
        ("another manifest", ReceiptInvalid),
        ("another key", DecryptionFailed),
        ("another commitment", DecryptionFailed),
    ],
)
def test_a_changed_result_is_refused(what: str, error: type[CloisterError], publish: Publish, world: World) -> None:
    room = _ready(publish)

    def change(request: Request, answer: Answer) -> Answer:
        if not isinstance(answer.body, Result):
            return answer
        return msgspec.structs.replace(answer, body=_changed(answer.body, world.hub.enclave, what))

    world.hub.enclave.on_answer = change
    with pytest.raises(error):
        room.upper.run_computation_and_get_results_as_zip()


PARTS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda part: part[:-1],
    "longer": lambda part: part + b"\x00",
    "changed": lambda part: part[:-1] + bytes([part[-1] ^ 1]),
    "empty": lambda part: b"",
    "endless": lambda part: part + bytes(PART_SIZE + 64 * 1024),
}


@pytest.mark.parametrize("attack", PARTS)
def test_a_part_that_is_not_the_stored_one_is_refused(attack: str, publish: Publish, world: World) -> None:
    room = _ready(publish)
    world.hub.on_part = lambda blob, index, data: PARTS[attack](data)
    with pytest.raises(VerificationError):
        room.upper.run_computation_and_get_results_as_zip()


def test_parts_in_another_order_are_refused(publish: Publish, world: World) -> None:
    room = _ready(publish)
    # Random bytes, so that the zip is no smaller than they are.
    content = b"".join(Key().material for _ in range(2 * PART_SIZE // 32))
    world.hub.enclave.compute = lambda inputs: {"large": content}
    room.upper.run_computation()
    with room.upper.get_results_as_zip() as archive:
        assert archive.read("large") == content
    last = max(world.hub.blobs.values(), key=len)
    world.hub.on_part = lambda blob, index, data: last[{0: 1, 1: 0}.get(index, index)]
    with pytest.raises(DecryptionFailed):
        room.upper.get_results_as_zip()


# --- definitions ------------------------------------------------------------------------------------------------------


def test_a_definition_of_another_room_is_refused(publish: Publish, world: World) -> None:
    first, second = publish(), publish()
    other = second.dcr.definition.canonical()

    def swap(request: Request, answer: Answer) -> Answer:
        return msgspec.structs.replace(answer, body=RoomContent(definition=other))

    world.hub.enclave.on_answer = swap
    with pytest.raises(CloisterError, match="not the one that this room's id stands for"):
        world.client(BOB).retrieve_analytics_dcr(first.dcr.id)


def test_what_the_hub_has_lost_is_computed_again(world: World, publish: Publish) -> None:
    room = _ready(publish)
    first = room.upper.run_computation_and_get_results_as_bytes()
    first_job = room.upper.job_id
    (result,) = [each.manifest for each in world.hub.enclave.rooms[room.dcr.id].results.values()]
    del world.hub.blobs[result.dataset]
    assert room.upper.get_results_as_bytes() == first
    assert room.upper.job_id != first_job
    # A hub that loses everything is not asked for ever.
    world.hub.on_request = lambda request: (
        problem(404, "not_found", "Gone.") if request.method == "GET" and "/parts/" in request.url.path else None
    )
    with pytest.raises(NotFoundError, match=r"doesn't have the result of 'upper' any more. Call run_computation"):
        room.upper.get_results_as_bytes()


class TestInputs:
    """What a receipt says was read, held against the room's log."""

    RUN, DATA, OLD, MADE, ROWS = (f"{number:02x}" * 32 for number in range(1, 6))

    def log(self) -> list[Event]:
        worker = Attested(evidence=software.TYPE, measurement=OTHER)
        inputs = (Input(node="data", manifest=self.DATA), Input(node="more", manifest=None))
        bodies = (
            RunFinished(run=OTHER, node="pairs", manifest=self.MADE, worker=worker, withheld=self.ROWS),
            RunStarted(run=OTHER, node="last", cache_key=OTHER, inputs=(Input(node="data", manifest=self.OLD),)),
            RunStarted(run=self.RUN, node="last", cache_key=OTHER, inputs=inputs),
            RunFinished(run=self.RUN, node="last", manifest=OTHER, worker=worker),
        )
        return [Event(time=0, actor=BOB, body=body) for body in bodies]

    def receipt(self, *inputs: tuple[str, str | None]) -> ReceiptBody:
        named = tuple(Input(node=node, manifest=manifest) for node, manifest in inputs)
        return ReceiptBody(
            room=OTHER,
            node="last",
            definition=OTHER,
            run=self.RUN,
            inputs=named,
            image="python",
            image_measurement=OTHER,
            enclave=_SOFTWARE,
            worker=_SOFTWARE,
            log_index=3,
            checkpoint="",
            finished=0,
        )

    def test_those_that_the_log_tells_of(self) -> None:
        inputs = (("data", self.DATA), ("more", None), ("pairs", self.ROWS))
        check_log(self.receipt(*inputs), OTHER, self.log())
        check_log(self.receipt(("pairs", self.MADE)), OTHER, self.log())
        with pytest.raises(ReceiptInvalid, match="does not say that this result was released"):
            check_log(self.receipt(*inputs), self.MADE, self.log())
        with pytest.raises(ReceiptInvalid, match="does not say that this result was released"):
            check_log(self.receipt(*inputs), OTHER, self.log()[:-1])

    @pytest.mark.parametrize("wrong", ["old data", "no data", "data that was not there", "another result", "its own"])
    def test_others(self, wrong: str) -> None:
        read = {
            "old data": ("data", self.OLD),
            "no data": ("data", None),
            "data that was not there": ("more", self.DATA),
            "another result": ("pairs", OTHER),
            "its own": ("last", OTHER),
        }[wrong]
        with pytest.raises(ReceiptInvalid, match="other inputs than the room's log"):
            check_log(self.receipt(read), OTHER, self.log())
