"""Datasets of a user by way of the SDK: kept in the vault, streamed, attached, deleted; and a hub that lies."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable

import msgspec
import pytest
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from cloister.errors import (
    AuthorizationError,
    BadRequestError,
    DecryptionFailed,
    NotFoundError,
    Refused,
    RollbackDetected,
    ServerError,
    VerificationError,
)
from cloister.formats.dataset import PART_SIZE
from cloister.protocol import Answer, Items, Request
from cloister.rooms.definition import Issuer
from cloister.rooms.vault import RECOVERY, DeviceBound, VaultDefinition, VaultOpened
from cloister.sdk.client import Client
from cloister.sdk.datasets import SecretStoreOptions
from cloister.sdk.key import Key
from cloister.sdk.nodes import RawDataNode
from tests.sdk.conftest import OWNER, Room, World
from tests.sdk.hub_peer import problem
from tests.sdk.vault_peer import PeerVault

DATA = b"one\ntwo\nthree\n"
NO_KEY = SecretStoreOptions(store_key=False)
NEW_DEVICE = "Another device is in your vault"
NOT_KEPT = "key is not kept in your vault"


def upload(client: Client, data: bytes = DATA, key: Key | None = None, **options: object) -> str:
    return client.upload_dataset(io.BytesIO(data), key or Key(), "data.csv", **options)  # type: ignore[arg-type]


def vault(world: World) -> PeerVault:
    (found,) = world.hub.enclave.vaults.values()
    return found


def test_from_upload_to_deletion(world: World) -> None:
    client, key = world.client(), Key()
    digest = client.upload_dataset(
        io.BytesIO(DATA), key, "data.csv", description="as of May", chunk_size=1, parallel_uploads=2, usage="PUBLISHED"
    )
    (listed,) = client.get_available_datasets()
    assert client.get_dataset(digest) == listed
    assert (listed["id"], listed["manifestHash"]) == (digest, digest)
    assert (listed["name"], listed["description"], listed["size"]) == ("data.csv", "as of May", len(DATA))
    assert listed["owner"] == {"email": OWNER}
    assert client.get_dataset_key(digest) == key
    with client.download_dataset(digest, key) as stream:
        assert stream.readline() == b"one\n"
        assert list(stream) == [b"two\n", b"three\n"]
    client.delete_dataset(digest)
    assert client.get_available_datasets() == []
    assert client.get_dataset(digest) is None
    assert client.get_dataset("no hash") is None
    assert world.hub.blobs == {}
    assert vault(world).items == {}
    for ask in (client.get_dataset_key, client.delete_dataset, lambda each: client.download_dataset(each, key)):
        with pytest.raises(NotFoundError, match="You have no dataset"):
            ask(digest)


def test_the_newest_come_first_and_long_lists_in_pieces(world: World) -> None:
    client = world.client()
    world.hub.enclave.page = 2
    digests = [upload(client) for _ in range(5)]
    listed = client.get_available_datasets()
    assert {each["id"] for each in listed} == set(digests)
    assert [each["createdAt"] for each in listed] == sorted((each["createdAt"] for each in listed), reverse=True)


def test_keys_are_not_kept_where_that_was_said(world: World, publish: Callable[..., Room]) -> None:
    room, key = publish(), Key()
    digest = upload(room.client, key=key, secret_store_options=NO_KEY)
    assert not any(name.startswith("key/") for name in vault(world).items)
    with pytest.raises(NotFoundError, match="is not kept"):
        room.client.get_dataset_key(digest)
    # All the rest works with the key in hand.
    room.text.publish_dataset(digest, key)
    assert room.client.download_dataset(digest, key).read() == DATA
    with pytest.raises(BadRequestError, match="secret_store_options"):
        upload(room.client, secret_store_options={"store_key": False})


def test_published_by_its_hash(world: World, publish: Callable[..., Room]) -> None:
    room, key = publish(), Key()
    digest = upload(room.client, key=key)
    with pytest.raises(DecryptionFailed, match="not the key"):
        room.text.publish_dataset(digest, Key())
    with pytest.raises(NotFoundError):
        room.text.publish_dataset("ab" * 32, key)
    for wrong in ("", digest.upper(), digest[:-1]):
        with pytest.raises(BadRequestError, match="not a dataset's hash"):
            room.text.publish_dataset(wrong, key)
    room.text.publish_dataset(digest, room.client.get_dataset_key(digest))
    assert [(each.node, each.manifest) for each in room.dcr.status().attached] == [("text", digest)]
    assert room.upper.run_computation_and_get_results_as_bytes()


def test_what_is_attached_is_not_deleted(world: World, publish: Callable[..., Room]) -> None:
    room, key = publish(), Key()
    room.text.upload_and_publish_dataset(io.BytesIO(DATA), key, "data.csv", "as of May")
    (listed,) = room.client.get_available_datasets()
    digest = listed["id"]
    assert room.client.get_dataset_key(digest) == key
    with pytest.raises(BadRequestError, match=r"is attached to the data node 'text' of the room [0-9a-f]{64}"):
        room.client.delete_dataset(digest)
    assert room.client.get_dataset(digest) == listed
    # From another machine just the same.
    elsewhere = world.client(home="elsewhere")
    with pytest.raises(AuthorizationError, match="not admitted"):
        elsewhere.delete_dataset(digest)
    with room.text.download_dataset() as stream:
        assert stream.read() == DATA
    assert f"Dataset of text has been fetched,fetch dataset,{digest}" in room.dcr.retrieve_audit_log()
    room.text.remove_published_dataset()
    room.client.delete_dataset(digest)
    assert world.hub.blobs == {}
    # In a stopped room it is of no use, and in the way of nobody.
    room.text.upload_and_publish_dataset(io.BytesIO(DATA), key, "data.csv")
    room.dcr.stop()
    room.client.delete_dataset(room.client.get_available_datasets()[0]["id"])
    # By force always.
    other = publish()
    with pytest.warns(UserWarning, match=NEW_DEVICE):
        other.client.get_available_datasets()
    other.text.upload_and_publish_dataset(io.BytesIO(DATA), key, "data.csv")
    other.client.delete_dataset(other.client.get_available_datasets()[0]["id"], force=True)
    assert other.client.get_available_datasets() == []


@pytest.mark.parametrize("looked", [True, False])
def test_a_key_that_nobody_has_looked_at_does_not_get_the_data(
    world: World, publish: Callable[..., Room], looked: bool
) -> None:
    """A hub that lies binds a key of its own to a data owner, before data is attached, to fetch it then."""
    room = publish(check_keys=(lambda _room, _keys: None) if looked else None)

    def fetch(device: Client) -> bytes:
        node = device.retrieve_analytics_dcr(room.dcr.id).get_node("text")
        assert isinstance(node, RawDataNode)
        with node.download_dataset() as stream:
            return stream.read()

    before, since = (world.client(home=home) for home in ("before", "since"))
    before.retrieve_analytics_dcr(room.dcr.id)
    room.text.upload_and_publish_dataset(io.BytesIO(DATA), Key(), "data.csv")
    assert fetch(room.client) == DATA
    for device in (since,) if looked else (before, since):
        with pytest.raises(AuthorizationError, match="was not attached for this device"):
            fetch(device)
    if looked:
        assert fetch(before) == DATA


def test_an_interrupted_deletion_can_be_done_again(world: World) -> None:
    client = world.client()
    digest = upload(client)
    world.hub.on_request = lambda request: problem(403, "forbidden", "Not now.") if request.method == "DELETE" else None
    with pytest.raises(AuthorizationError):
        client.delete_dataset(digest)
    # The key is gone already, and the dataset is still known.
    assert client.get_dataset(digest) is not None
    with pytest.raises(NotFoundError):
        client.get_dataset_key(digest)
    world.hub.on_request = lambda request: None
    client.delete_dataset(digest)
    assert (world.hub.blobs, vault(world).items) == ({}, {})


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_hub_that_says_that_nothing_is_there_does_not_make_it_so(world: World, status: int) -> None:
    client, key = world.client(), Key()
    digest = upload(client, key=key)
    # To the message that looks for the dataset, to that for its manifest, and to that for its key.
    for lie in range(3):
        messages = itertools.count()
        world.hub.on_request = lambda request, messages=messages, lie=lie: (  # type: ignore[misc]
            problem(status, "not_found", "There is no such item.")
            if request.url.path.endswith("/messages") and next(messages) == lie
            else None
        )
        with pytest.raises(ServerError, match="There is no such item"):
            client.delete_dataset(digest)
    world.hub.on_request = lambda request: None
    assert client.get_dataset_key(digest) == key
    client.delete_dataset(digest)
    assert (world.hub.blobs, vault(world).items) == ({}, {})


@pytest.mark.parametrize("name", ["", "x" * 5000])
def test_names_are_bounded(world: World, name: str) -> None:
    with pytest.raises(BadRequestError, match="needs a name"):
        world.client().upload_dataset(io.BytesIO(DATA), Key(), name)
    assert world.hub.blobs == {}


def test_nothing_is_sent_where_the_enclave_is_not_proven(world: World) -> None:
    client = world.client(allow_software=False)
    with pytest.raises(VerificationError):
        upload(client)
    assert world.hub.blobs == {}


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_download_is_read_as_it_comes(world: World) -> None:
    client, key = world.client(), Key()
    data = os.urandom(PART_SIZE) * 3 + b"end"
    digest = upload(client, data, key)
    world.hub.seen.clear()
    with client.download_dataset(digest, key) as stream:
        assert not [path for _, path in world.hub.seen if "/parts/" in path]
        assert stream.read(10) == data[:10]
        assert stream.read() == data[10:]
        assert stream.read() == b""
    assert stream.closed
    # One that nobody reads to its end ends all the same.
    half = client.download_dataset(digest, key)
    half.read(1)
    half.close()


def test_a_changed_part_is_never_handed_out(world: World) -> None:
    client, key = world.client(), Key()
    data = os.urandom(PART_SIZE + 10)
    digest = upload(client, data, key)
    world.hub.on_part = lambda blob, index, part: part if index == 0 else part[:-1] + bytes([part[-1] ^ 1])
    stream = client.download_dataset(digest, key)
    assert stream.read(PART_SIZE) == data[:PART_SIZE]
    with pytest.raises(DecryptionFailed):
        stream.read(1)
    with pytest.raises(DecryptionFailed):
        client.download_dataset(digest, Key())


# --- machines ---------------------------------------------------------------------------------------------------------


def test_another_machine_sees_datasets_and_is_admitted_to_keys(world: World) -> None:
    first, key = world.client(), Key()
    digest = upload(first, key=key)
    second = world.client(home="second", vault=first.vault_id)
    assert second.get_available_datasets() == first.get_available_datasets()
    assert second.download_dataset(digest, key).read() == DATA
    with pytest.raises(AuthorizationError, match=rf"This device \({second.device_key}\) is not admitted"):
        second.get_dataset_key(digest)
    # What it keeps itself it can read; the first one can, too.
    own = upload(second, key=key)
    assert second.get_dataset_key(own) == first.get_dataset_key(own) == key
    first.admit_device(second.device_key)
    assert second.get_dataset_key(digest) == key
    world.client().get_available_datasets()
    assert [(each["key"], each["admitted"]) for each in second.vault_keys()] == [
        (first.device_key, True),
        (second.device_key, True),
    ]
    second.dismiss_device(first.device_key)
    with pytest.raises(AuthorizationError, match="was dismissed"):
        first.get_dataset_key(digest)


def test_the_first_machine_is_warned_of_others_once(world: World) -> None:
    upload(world.client())
    intruder = world.client(home="intruder")
    intruder.get_available_datasets()
    with pytest.warns(UserWarning, match=f"{NEW_DEVICE} since 2023.*{intruder.device_key}"):
        world.client().get_available_datasets()
    world.client().get_available_datasets()


def test_a_key_that_nobody_vouches_for_is_not_put_where_only_the_hub_says(world: World) -> None:
    first = world.client()
    upload(first)
    second = world.client(home="second")
    with pytest.warns(UserWarning, match=rf"{NOT_KEPT}.*CLOISTER_VAULT={first.vault_id}"):
        digest = upload(second, key=(key := Key()))
    assert f"key/{digest}" not in vault(world).items
    # The program that has uploaded it has it all the same.
    assert second.get_dataset_key(digest) == key
    with pytest.raises(NotFoundError, match="not kept"):
        world.client(home="second").get_dataset_key(digest)
    # Named once, that is remembered.
    world.client(home="second", vault=first.vault_id).get_available_datasets()
    upload(world.client(home="second"))


def test_what_is_known_of_a_vault_is_known_at_any_address_of_its_hub(world: World) -> None:
    first = world.client()
    upload(first)
    second = world.client(home="second", vault=first.vault_id)
    second.get_available_datasets()
    first.admit_device(second.device_key)
    world.url = world.url.replace("127.0.0.1", "localhost")
    # It isn't alone there any more: that the vault may be trusted, and which devices there are, was known before.
    upload(world.client())


def test_a_lost_machine_is_replaced_after_days(world: World) -> None:
    lost, key = world.client(), Key()
    digest = upload(lost, key=key)
    fresh = world.client(home="fresh")
    with pytest.raises(AuthorizationError):
        fresh.get_dataset_key(digest)
    vault(world).now += RECOVERY
    assert fresh.get_dataset_key(digest) == key


def test_two_machines_that_note_at_once_lose_nothing(world: World, publish: Callable[..., Room]) -> None:
    one, two, key = publish(), publish(), Key()
    digest = upload(one.client, key=key)
    raced: list[str] = []

    def race(request: Request, answer: Answer) -> Answer:
        # Between reading and writing on one machine, the other one does both.
        if isinstance(answer.body, Items) and answer.body.items[0].item.startswith("dataset/") and not raced:
            raced.append(digest)
            two.text.publish_dataset(digest, key)
        return answer

    world.hub.enclave.on_answer = race
    one.text.publish_dataset(digest, key)
    world.hub.enclave.on_answer = lambda request, answer: answer
    one.text.remove_published_dataset()
    with pytest.raises(BadRequestError, match=two.dcr.id):
        one.client.delete_dataset(digest)


# --- a hub, or an enclave, that lies ----------------------------------------------------------------------------------


def shown(world: World, definition: VaultDefinition) -> None:
    """The hub says that this is the vault of everybody."""

    def lie(request: HttpRequest) -> Response | None:
        if request.url.path != "/v1/vault":
            return None
        return Response(
            msgspec.json.encode({"definition": definition.canonical().decode()}), media_type="application/json"
        )

    world.hub.on_request = lie


def invented(user: str = OWNER) -> VaultDefinition:
    return VaultDefinition(nonce="ab" * 32, user=user, issuers=(Issuer(name="evil", keys=("cd" * 32,)),))


def test_a_machine_that_knows_the_vault_is_not_led_to_another(world: World) -> None:
    first = world.client()
    digest, where = upload(first), first.vault_id
    shown(world, invented())
    again = world.client()
    assert again.vault_id == where
    assert again.get_dataset(digest) is not None
    # Nor is a new one that was told which it is.
    with pytest.raises(VerificationError, match="another vault than the one that you have named"):
        upload(world.client(home="new", vault=where))


@pytest.mark.parametrize("instead", [invented(), None])
def test_a_hub_elsewhere_that_hides_the_vault_gets_no_other(world: World, instead: VaultDefinition | None) -> None:
    first = world.client()
    upload(first)
    where = first.vault_id
    again = world.client()
    again._hub.on_this_machine = False  # there is no other one here
    honest = world.hub.on_request
    world.hub.enclave.refusals.append(Refused("not_found", "There is no such vault."))
    if instead is None:
        del world.hub.vaults[OWNER]
    else:
        shown(world, instead)
    with pytest.raises(VerificationError, match=rf"{where}.* is not there any more.*delete .*/vaults/"):
        upload(again)
    # It is still the one that this machine knows.
    world.hub.on_request = honest
    assert world.client().vault_id == where
    assert list(world.hub.enclave.vaults) == [where]


def test_a_device_that_is_not_let_in_is_told_so(world: World) -> None:
    """The hub still says that it is the user's vault: it is no other installation."""
    upload(world.client())
    world.hub.enclave.refusals.append(Refused("not_found", "There is no such vault."))
    with pytest.raises(NotFoundError, match="no such vault"):
        upload(world.client())


def test_keys_are_not_put_into_a_vault_that_a_hub_has_made(world: World) -> None:
    """It opens one in the user's name, with a device of its own, and shows it to the user's first machine."""
    definition = invented()
    evil = PeerVault(definition.id())
    evil.append("ee" * 32, VaultOpened(definition=definition))
    evil.append("ee" * 32, DeviceBound(key="ee" * 32, issuer="evil"))
    world.hub.enclave.vaults[definition.id()] = evil
    shown(world, definition)
    client = world.client()
    with pytest.warns(UserWarning, match=NOT_KEPT):
        upload(client)
    assert not any(name.startswith("key/") for name in evil.items)
    assert [each["key"] for each in client.vault_keys()] == ["ee" * 32, client.device_key]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"version":2}', invented("somebody@else.example").canonical().decode()]
)
def test_what_is_no_vault_of_the_user_is_refused(world: World, text: str) -> None:
    world.hub.vaults[OWNER] = text
    with pytest.raises(VerificationError, match="The hub shows"):
        upload(world.client())
    assert world.hub.blobs == {}


def test_another_manifest_in_its_place_is_noticed(world: World, publish: Callable[..., Room]) -> None:
    room, key = publish(), Key()
    one, two = upload(room.client, key=key), upload(room.client, b"other", key)
    items = vault(world).items
    items[f"manifest/{one}"] = msgspec.structs.replace(items[f"manifest/{one}"], value=items[f"manifest/{two}"].value)
    for ask in (
        lambda: room.text.publish_dataset(one, key),
        lambda: room.client.download_dataset(one, key),
        lambda: room.client.get_dataset_key(one),
    ):
        with pytest.raises(VerificationError, match="shows another dataset"):
            ask()


def test_another_item_than_was_asked_for_is_refused(world: World) -> None:
    client = world.client()
    one, two = upload(client), upload(client)

    def swap(request: Request, answer: Answer) -> Answer:
        other = vault(world).items[f"dataset/{two}"]
        return msgspec.structs.replace(answer, body=Items(items=(other,))) if isinstance(answer.body, Items) else answer

    world.hub.enclave.on_answer = swap
    with pytest.raises(VerificationError, match="something else"):
        client.get_dataset(one)
    world.hub.enclave.on_answer = lambda request, answer: (
        msgspec.structs.replace(answer, body=Items(items=answer.body.items, more=True))
        if isinstance(answer.body, Items)
        else answer
    )
    with pytest.raises(VerificationError, match="a list that is not one"):
        client.get_available_datasets()


def test_a_vault_that_has_forgotten_is_noticed(world: World) -> None:
    client = world.client()
    upload(client)
    there = vault(world)
    forgotten = PeerVault(there.id)
    definition = there.state.definition
    assert definition is not None
    forgotten.append(client.device_key, VaultOpened(definition=definition))
    forgotten.append(client.device_key, DeviceBound(key=client.device_key, issuer="hub"))
    world.hub.enclave.vaults[there.id] = forgotten
    with pytest.raises(RollbackDetected):
        client.get_available_datasets()
    with pytest.raises(RollbackDetected):
        world.client().get_available_datasets()
