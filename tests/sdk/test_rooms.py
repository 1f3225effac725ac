"""A room from its publication to its result, and everything that is asked on the way."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cloister.analytics import PythonComputeNode
from cloister.errors import (
    AuthorizationError,
    BadRequestError,
    EnclaveError,
    EvidenceRejected,
    NotFoundError,
    ServerError,
    TimedOut,
)
from cloister.formats.receipt import sign_receipt, verify_receipt
from cloister.rooms.definition import Reference
from cloister.rooms.events import Published
from cloister.sdk.key import Key
from cloister.sdk.uploads import Data

from .conftest import BOB, OWNER, Room, World, definition
from .enclave_peer import PeerRoom

Publish = Callable[..., Room]


def _result(room: Room) -> bytes:
    archive = room.upper.run_computation_and_get_results_as_zip()
    assert archive is not None
    with archive:
        return archive.read("uppercase.txt")


def test_a_dataset_goes_in_and_a_result_comes_out(publish: Publish) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(io.BytesIO(b"hello world"), Key(), "my-data.txt")
    archive = room.upper.run_computation_and_get_results_as_zip()
    assert archive is not None
    assert archive.filename == "upper.zip"
    assert archive.read("uppercase.txt") == b"HELLO WORLD"
    archive.close()


def test_results_are_fetched_again_with_their_receipt(publish: Publish, world: World) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(b"again", Key(), "x")
    raw = room.upper.run_computation_and_get_results_as_bytes()
    assert room.upper.get_results_as_bytes() == raw
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.namelist() == ["uppercase.txt"]
    job = room.upper.job_id
    assert job is not None
    assert room.upper.receipt is not None
    result = world.hub.enclave.rooms[room.dcr.id].results[job]
    vouched = verify_receipt(room.upper.receipt, world.hub.enclave.public, result=result.manifest.digest())
    assert vouched.room == room.dcr.id


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "memoryview", "path", "file"])
def test_data_comes_in_many_forms(kind: str, publish: Publish, tmp_path: Path) -> None:
    room = publish()
    path = tmp_path / "data"
    path.write_bytes(b"forms")
    with path.open("rb") as file:
        forms: dict[str, Data] = {
            "bytes": b"forms",
            "bytearray": bytearray(b"forms"),
            "memoryview": memoryview(b"forms"),
            "path": path,
            "file": file,
        }
        room.text.upload_and_publish_dataset(forms[kind], Key(), "x")
    assert _result(room) == b"FORMS"


def test_text_is_not_data(publish: Publish, world: World) -> None:
    room = publish()
    with pytest.raises(TypeError, match="rb"):
        room.text.upload_and_publish_dataset(io.StringIO("text"), Key(), "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bytes"):
        room.text.upload_and_publish_dataset("text", Key(), "x")  # type: ignore[arg-type]
    with pytest.raises(BadRequestError, match="Key"):
        room.text.upload_and_publish_dataset(b"text", b"k" * 32, "x")  # type: ignore[arg-type]
    assert world.hub.blobs == {}


def test_a_second_dataset_is_refused_until_the_first_is_removed(publish: Publish) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(b"one", Key(), "x")
    with pytest.raises(BadRequestError, match="already has a dataset"):
        room.text.upload_and_publish_dataset(b"two", Key(), "x")
    room.text.remove_published_dataset()
    room.text.upload_and_publish_dataset(b"two", Key(), "x")
    assert _result(room) == b"TWO"


def test_missing_data_is_named(publish: Publish) -> None:
    with pytest.raises(BadRequestError, match="'text'"):
        publish().upper.run_computation()


def test_results_need_a_run(publish: Publish) -> None:
    with pytest.raises(BadRequestError, match="run_computation"):
        publish().upper.get_results_as_bytes()


def test_only_what_was_run_can_be_cancelled(publish: Publish) -> None:
    room = publish()
    with pytest.raises(BadRequestError, match="run_computation"):
        room.upper.cancel_computation()
    room.text.upload_and_publish_dataset(b"x", Key(), "x")
    room.upper.run_computation()
    room.upper.cancel_computation()


def test_another_object_waits_by_the_jobs_id(publish: Publish) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(b"x", Key(), "x")
    room.upper.run_computation()
    other = room.client.retrieve_analytics_dcr(room.dcr.id).get_node("upper")
    assert isinstance(other, PythonComputeNode)
    assert room.upper.job_id is not None
    values: list[Any] = ["", "x", room.upper.job_id + "\n", None]
    for nonsense in values:
        with pytest.raises(BadRequestError, match="64 hexadecimal digits"):
            other.job_id = nonsense
    other.job_id = room.upper.job_id
    assert other.get_results_as_zip().read("uppercase.txt") == b"X"


def test_waiting_ends_when_the_caller_said(publish: Publish, world: World) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(b"slow", Key(), "x")
    world.hub.enclave.finish.clear()
    room.upper.run_computation()
    with pytest.raises(TimedOut) as caught:
        room.upper.get_results_as_bytes(timeout=0.2)
    assert isinstance(caught.value, TimeoutError)
    # The run went on meanwhile.
    world.hub.enclave.finish.set()
    with room.upper.get_results_as_zip(timeout=30) as archive:
        assert archive.read("uppercase.txt") == b"SLOW"


def test_a_result_that_is_no_zip_is_told_so(publish: Publish, world: World) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(b"x", Key(), "x")
    room.upper.run_computation()
    enclave, job = world.hub.enclave, room.upper.job_id
    assert job is not None
    results = enclave.rooms[room.dcr.id].results
    key = Key().material
    manifest = enclave.store(b"not a zip", key)
    vouched = verify_receipt(results[job].receipt, enclave.public, result=results[job].manifest.digest())
    results[job] = msgspec.structs.replace(
        results[job],
        manifest=manifest,
        key=key,
        receipt=sign_receipt(vouched, manifest.digest(), "x", enclave.signing),
        commitment=hmac.digest(key, hashlib.sha256(b"not a zip").digest(), "sha256"),
    )
    assert room.upper.get_results_as_bytes() == b"not a zip"
    with pytest.raises(EnclaveError, match="not a zip"):
        room.upper.get_results_as_zip()


# --- rooms as others see them -----------------------------------------------------------------------------------------


def test_a_retrieved_room_is_the_published_one(publish: Publish, world: World) -> None:
    room = publish()
    seen = world.client(BOB).retrieve_analytics_dcr(room.dcr.id)
    assert seen.id == room.dcr.id
    assert seen.definition == room.dcr.definition
    assert seen.node_definitions == room.dcr.node_definitions
    assert seen.high_level == room.dcr.high_level == seen._get_high_level_representation()
    assert seen.participants() == [OWNER, BOB]
    assert (seen.name, seen.owner, seen.description) == ("Uppercase", OWNER, "")
    assert seen.client.user_email == BOB
    assert seen.get_node("nothing") is None
    assert [repr(seen.get_node(name)) for name in ("text", "upper")] == [
        "RawDataNode(name='text', id='text')",
        "PythonComputeNode(name='upper', id='upper')",
    ]
    assert repr(seen) == f"AnalyticsDcr(id={room.dcr.id!r}, name='Uppercase')"


def test_outsiders_learn_nothing(publish: Publish, world: World) -> None:
    room = publish()
    mallory = world.client("mallory@example.org")
    with pytest.raises(NotFoundError) as known:
        mallory.retrieve_analytics_dcr(room.dcr.id)
    with pytest.raises(NotFoundError) as unknown:
        mallory.retrieve_analytics_dcr("00" * 32)
    assert str(known.value) == str(unknown.value)
    with pytest.raises(NotFoundError, match="not the id"):
        mallory.retrieve_analytics_dcr("../rooms")
    assert mallory.get_data_room_descriptions() == []
    assert mallory.get_data_room_description(room.dcr.id) is None


def test_rooms_are_listed_with_titles_from_the_enclave(publish: Publish, world: World) -> None:
    room = publish()
    bob = world.client(BOB)
    (entry,) = bob.get_data_room_descriptions()
    assert entry == bob.get_data_room_description(room.dcr.id)
    assert (entry["id"], entry["title"], entry["owner"]) == (room.dcr.id, "Uppercase", {"email": OWNER})
    assert (entry["isStopped"], entry["kind"]) == (False, "DATA_SCIENCE")
    room.dcr.stop()
    assert bob.get_data_room_descriptions(exclude_stopped_dcrs=True) == []
    assert bob.get_data_room_descriptions()[0]["isStopped"] is True


def test_a_room_that_the_enclave_does_not_have_is_not_listed(world: World) -> None:
    world.hub.rooms["12" * 32] = [OWNER]
    assert world.client().get_data_room_descriptions() == []


def test_the_audit_log_has_five_fields_a_line(publish: Publish) -> None:
    room = publish()
    room.text.upload_and_publish_dataset(b"x", Key(), "x")
    lines = room.dcr.retrieve_audit_log().splitlines()
    assert all(len(line.split(",")) == 5 for line in lines)
    assert [line.split(",")[3] for line in lines] == ["publish", "bind key", "attach dataset", "read log"]
    assert "log has been retrieved" in lines[-1]


def test_a_lost_device_is_put_out_of_the_room(publish: Publish, world: World) -> None:
    room = publish()
    lost = world.client(home="lost")
    same_room = lost.retrieve_analytics_dcr(room.dcr.id)
    room.dcr.unbind_key(lost.device_key)
    assert room.dcr.bound_keys() == {OWNER: [room.client.device_key]}
    assert f"unbind key,{lost.device_key}" in room.dcr.retrieve_audit_log()
    with pytest.raises(NotFoundError):
        same_room.status()
    with pytest.raises(BadRequestError, match="not a device key"):
        room.dcr.unbind_key("lost")


def test_bound_keys_are_shown(publish: Publish, world: World) -> None:
    room = publish()
    assert room.dcr.bound_keys() == {OWNER: [room.client.device_key]}
    bob = world.client(BOB)
    bob.retrieve_analytics_dcr(room.dcr.id)
    assert room.dcr.bound_keys()[BOB] == [bob.device_key]


def test_a_stopped_room_takes_nothing_more(publish: Publish) -> None:
    room = publish()
    room.dcr.stop()
    with pytest.raises(BadRequestError, match="stopped"):
        room.text.upload_and_publish_dataset(b"x", Key(), "x")
    assert room.dcr.status().stopped


# --- who publishes ----------------------------------------------------------------------------------------------------


def test_only_the_owner_publishes(world: World) -> None:
    bob = world.client(BOB)
    with pytest.raises(BadRequestError, match=OWNER):
        bob.publish_analytics_dcr(definition(bob))
    assert world.hub.enclave.rooms == {}


def test_a_token_of_somebody_else_is_noticed(world: World) -> None:
    world.tokens[OWNER] = world.hub.add_user(BOB)
    client = world.client(OWNER)
    with pytest.raises(AuthorizationError, match=f"belongs to {BOB}"):
        client.publish_analytics_dcr(definition(client))


def test_where_the_hub_can_not_vouch_any_more_known_devices_go_on_and_new_ones_are_told(
    world: World, publish: Publish
) -> None:
    dcr_id = publish().dcr.id

    def destroyed(request: Request) -> Response | None:
        if request.url.path != "/v1/identity":
            return None
        return JSONResponse({"error": {"code": "conflict", "message": "The keys were destroyed."}}, 409)

    world.hub.on_request = destroyed
    assert world.client().retrieve_analytics_dcr(dcr_id).id == dcr_id
    with pytest.raises(BadRequestError, match=r"The keys were destroyed\."):
        world.client(home="another machine").retrieve_analytics_dcr(dcr_id)


def test_a_wrong_token_is_refused_and_never_repeated(world: World) -> None:
    world.tokens[OWNER] = "not-a-token-of-anybody"
    client = world.client(OWNER)
    with pytest.raises(AuthorizationError) as caught:
        client.publish_analytics_dcr(definition(client))
    assert "not-a-token" not in str(caught.value)
    assert "not-a-token" not in repr(client)


@pytest.mark.parametrize("token", ["", " ", "line\nbreak", "umlaut-ü"])
def test_what_can_not_be_a_token_is_not_sent(token: str, world: World) -> None:
    world.tokens[OWNER] = token
    with pytest.raises(AuthorizationError):
        world.client(OWNER)
    assert world.hub.seen == []


def test_emails_are_compared_in_one_form(world: World) -> None:
    client = world.client("Owner@Example.org")
    world.hub.accounts[world.tokens["Owner@Example.org"]] = OWNER
    assert client.publish_analytics_dcr(definition(client)).owner == OWNER
    with pytest.raises(BadRequestError, match="not an email"):
        world.client("nobody")


def test_an_image_that_no_worker_offers_is_named(world: World) -> None:
    world.hub.enclave.images = ()
    client = world.client()
    with pytest.raises(ServerError, match="'python'"):
        client.publish_analytics_dcr(definition(client))


# --- what a room promises ---------------------------------------------------------------------------------------------


def test_a_room_for_another_enclave_is_not_opened(publish: Publish, world: World) -> None:
    room = publish()
    elsewhere = msgspec.structs.replace(
        room.dcr.definition, enclaves=(Reference(evidence="sev-snp", measurement="22" * 32),)
    )
    world.hub.enclave.rooms[elsewhere.id()] = PeerRoom(elsewhere.id())
    world.hub.enclave.rooms[elsewhere.id()].append(OWNER, Published(definition=elsewhere))
    with pytest.raises(EvidenceRejected, match="another enclave"):
        room.client.retrieve_analytics_dcr(elsewhere.id())


def test_workers_without_protection_need_consent_of_their_own(publish: Publish) -> None:
    room = publish()
    # The enclave has proven itself already: what is left to consent to is the worker.
    room.client._channel.allow_software = False
    with pytest.raises(EvidenceRejected, match="computations would run outside"):
        room.client.retrieve_analytics_dcr(room.dcr.id)


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [{"kty": "RSA", "kid": "k"}],
        [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "AAAA"}],
        [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "!"}],
    ],
)
def test_a_hub_that_has_no_keys_for_identities_is_told_so(keys: list[object], world: World) -> None:
    def answer(request: Request) -> Response | None:
        return JSONResponse({"keys": keys, "issuer": "hub"}) if request.url.path.endswith("jwks.json") else None

    world.hub.on_request = answer
    client = world.client()
    with pytest.raises(ServerError, match=r"for identities|identities with"):
        client.publish_analytics_dcr(definition(client))


def test_the_issuer_is_who_the_hub_says_it_is(publish: Publish, world: World) -> None:
    (issuer,) = publish().dcr.definition.issuers
    assert issuer.name == "hub.example.org"
    assert issuer.keys == (world.hub.identity.public_key().public_bytes_raw().hex(),)


@pytest.mark.parametrize("answer", [{}, {"issuer": ""}, {"issuer": None}, {"issuer": 1}])
def test_a_hub_that_does_not_say_who_it_is_is_told_so(answer: dict[str, object], world: World) -> None:
    keys = json.loads(httpx.get(f"{world.url}/.well-known/jwks.json").text)["keys"]
    world.hub.on_request = lambda request: (
        JSONResponse({"keys": keys, **answer}) if request.url.path.endswith("jwks.json") else None
    )
    client = world.client()
    with pytest.raises(ServerError, match=r"`issuer`|\$\.issuer"):
        client.publish_analytics_dcr(definition(client))


def test_no_error_holds_the_token(world: World) -> None:
    client = world.client()
    token = world.tokens[OWNER]
    world.hub.on_request = lambda request: (_ for _ in ()).throw(ConnectionError)
    with pytest.raises(ServerError) as caught:
        client.get_data_room_descriptions()
    error: BaseException | None = caught.value
    while error is not None:
        assert token not in repr(vars(error))
        assert not isinstance(error, httpx.HTTPError)
        error = error.__cause__ or error.__context__
