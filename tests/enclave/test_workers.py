"""Which workers are given tasks: those that prove what they are, for rooms that name them and images they have."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from cloister.enclave.offers import OFFER_SECONDS
from cloister.enclave.workers import MAX_NONCES
from cloister.errors import Refused
from cloister.protocol import Describe, Description, GetNonce, Nonce
from cloister.rooms.definition import ImageReference, Participant, Reference
from cloister.trust import software
from cloister.trust.evidence import ENCLAVE_LABEL, WORKER_LABEL, Evidence, SoftwareSource, report_data
from tests.enclave.peers import IMAGE, WORKER, Enclave, Meeting, checked, pull, python

pytestmark = pytest.mark.anyio

OWNER = "owner@workers.example"
OTHER_IMAGE = ImageReference(name="python", measurement="77" * 32)
R_IMAGE = ImageReference(name="r", measurement="99" * 32)
ANOTHER = Reference(evidence=software.TYPE, measurement="88" * 32)


@pytest.fixture
async def room(enclave: Enclave) -> Meeting:
    """With one task that waits."""
    room = await Meeting.publish(enclave, [python("only")], [Participant(user=OWNER, analyst_of=("only",))])
    await room.start(OWNER, "only")
    return room


class TestEvidence:
    """What is refused before anything is given."""

    async def test_a_nonce_serves_once(self, enclave: Enclave) -> None:
        nonce = checked(await enclave.ask(None, GetNonce()), Nonce).nonce
        lease = await pull(enclave, nonce=nonce)
        await lease.hang_up()
        with pytest.raises(Refused, match=r"nonce is unknown or used\. Get a new one") as caught:
            await pull(enclave, nonce=nonce)
        assert caught.value.code == "rejected"

    async def test_a_nonce_of_ones_own_is_none(self, enclave: Enclave) -> None:
        with pytest.raises(Refused, match="nonce is unknown"):
            await pull(enclave, nonce=os.urandom(32))

    async def test_evidence_of_another_nonce(self, enclave: Enclave) -> None:
        evidence = SoftwareSource("worker").produce(report_data(WORKER_LABEL, os.urandom(32), os.urandom(32)))
        with pytest.raises(Refused, match="stale, or vouches for other keys"):
            await pull(enclave, evidence=evidence)

    async def test_evidence_of_another_offer(self, enclave: Enclave) -> None:
        """Of another key, or of fewer images: what a worker says of itself is what it has proven."""
        with pytest.raises(Refused, match="vouches for other keys"):
            await pull(enclave, offer=os.urandom(32))

    async def test_an_enclaves_evidence_is_not_a_workers(self, enclave: Enclave) -> None:
        with pytest.raises(Refused, match="vouches for other keys"):
            await pull(enclave, label=ENCLAVE_LABEL)

    @pytest.mark.parametrize(
        ("evidence", "words"),
        [
            (Evidence(type="sev-snp", document=b""), "unknown to this version"),
            (Evidence(type=software.TYPE, document=b""), "not software evidence"),
            (Evidence(type=software.TYPE, document=b"{}"), "not software evidence"),
        ],
        ids=["type", "empty", "no fields"],
    )
    async def test_evidence_that_is_none(self, enclave: Enclave, evidence: Evidence, words: str) -> None:
        with pytest.raises(Refused, match=words) as caught:
            await pull(enclave, evidence=evidence)
        assert caught.value.code == "rejected"

    async def test_software_that_is_not_a_worker_of_this_installation(self) -> None:
        enclave = Enclave(references=(ANOTHER,))
        with pytest.raises(Refused, match="is not one that was agreed to"):
            await pull(enclave)
        enclave.close()

    async def test_a_key_that_nothing_can_be_sealed_to(self, enclave: Enclave, room: Meeting) -> None:
        """Or the task that it gets would be lost with it."""
        for key in (b"", b"\x00" * 1216, os.urandom(1215)):
            with pytest.raises(Refused, match="not a public X-Wing key"):
                await pull(enclave, public=key)
        await (await pull(enclave)).given()

    async def test_many_nonces_do_not_fill_the_memory(self, enclave: Enclave) -> None:
        first = enclave.workers.nonce()
        for _ in range(MAX_NONCES):
            enclave.workers.nonce()
        with pytest.raises(Refused, match="nonce is unknown"):
            await pull(enclave, nonce=first)
        await pull(enclave)


class TestChoice:
    """Who gets what."""

    async def test_a_worker_without_the_image_waits_beside_the_task(self, room: Meeting) -> None:
        await pull(room.enclave, images=[OTHER_IMAGE])
        useful = await pull(room.enclave, images=[OTHER_IMAGE, IMAGE])
        assert (await useful.given()).image == IMAGE

    async def test_a_worker_without_any_image_too(self, room: Meeting) -> None:
        await pull(room.enclave, images=[])
        await (await pull(room.enclave)).given()

    async def test_a_worker_that_serves_another_room_alone(self, room: Meeting) -> None:
        await pull(room.enclave, only_room="ab" * 32)
        here = await pull(room.enclave, only_room=room.id)
        assert (await here.given()).room == room.id

    async def test_a_worker_that_the_room_does_not_name(self) -> None:
        """The installation has both kinds; the room's participants have agreed to one."""
        enclave = Enclave(references=(WORKER, ANOTHER))
        roles = [Participant(user=OWNER, analyst_of=("only",))]
        room = await Meeting.publish(enclave, [python("only")], roles, workers=(ANOTHER,))
        job = await room.start(OWNER, "only")
        await pull(enclave)
        useful = await pull(enclave, reference=ANOTHER)
        await useful.given()
        await useful.finish()
        await room.wait(OWNER, "only", job)
        enclave.close()

    async def test_the_images_of_accepted_workers_are_offered_for_new_rooms(self, enclave: Enclave) -> None:
        assert checked(await enclave.ask(None, Describe()), Description).images == ()
        older = ImageReference(name="python", measurement="55" * 32)
        with pytest.raises(Refused):
            await pull(enclave, images=[OTHER_IMAGE], offer=os.urandom(32))
        lease = await pull(enclave, images=[IMAGE, older])
        assert checked(await enclave.ask(None, Describe()), Description).images == (IMAGE,)
        await lease.hang_up()

    async def test_the_images_of_workers_that_have_gone_are_not(self) -> None:
        now = [1000.0]
        enclave = Enclave(monotonic=lambda: now[0])

        async def offered() -> tuple[ImageReference, ...]:
            return checked(await enclave.ask(None, Describe()), Description).images

        with closing(enclave):
            leases = [await pull(enclave, images=[image]) for image in (OTHER_IMAGE, R_IMAGE, IMAGE, IMAGE)]
            now[0] += 10 * OFFER_SECONDS
            assert await offered() == (IMAGE, R_IMAGE)
            for lease in leases[1:3]:
                await lease.hang_up()
            # It comes back for its next task.
            now[0] += OFFER_SECONDS - 1
            assert await offered() == (IMAGE, R_IMAGE)
            now[0] += 1
            assert await offered() == (IMAGE,)
            await leases[3].hang_up()
            now[0] += OFFER_SECONDS
            assert await offered() == (OTHER_IMAGE,)
            await leases[0].hang_up()
            now[0] += OFFER_SECONDS
            assert await offered() == ()
