"""Users' vaults: who gets in, what they may see, and what becomes of requests that come late, twice or in between."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from cloister.enclave.backup import backup_store, declare_restored, restore_store
from cloister.enclave.limits import Allowances
from cloister.errors import LogTampered, Refused
from cloister.protocol import (
    AdmitDevice,
    DismissDevice,
    Item,
    Items,
    ListItems,
    OpenVault,
    PutItem,
    PutItems,
    ReadItem,
    Refusal,
    RemoveItem,
    Request,
    RetrieveRoom,
    StopRoom,
    VaultBody,
    VaultStatus,
)
from cloister.rooms.definition import Participant
from cloister.rooms.permissions import NO_SUCH_ROOM
from cloister.rooms.vault import MAX_ITEM, NO_SUCH_VAULT, RECOVERY, VaultDefinition
from tests.enclave.peers import (
    Clock,
    Enclave,
    Meeting,
    Person,
    TokenIssuer,
    checked,
    data,
    pinned,
    stored_secrets,
    token_issuer,
)
from tests.enclave.test_held import held
from tests.enclave.test_store import LosingStore

pytestmark = pytest.mark.anyio

ALICE, MALLORY = "alice@vault.example", "mallory@vault.example"


def new_id() -> str:
    return os.urandom(32).hex()


@dataclass
class Owner:
    """A user with a vault, and the devices that they use it with."""

    enclave: Enclave
    issuer: TokenIssuer = field(default_factory=token_issuer)
    email: str = ALICE
    definition: VaultDefinition = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.definition = VaultDefinition(nonce=new_id(), user=self.email, issuers=(pinned(self.issuer),))

    @property
    def id(self) -> str:
        return self.definition.id()

    @property
    def place(self) -> str:
        """What the store knows it as."""
        return f"vault/{self.id}"

    def again(self, enclave: Enclave) -> Owner:
        """The same, after a restart."""
        other = Owner(enclave, self.issuer, self.email)
        other.definition = self.definition
        return other

    async def ask(self, person: Person, body: VaultBody, *, token: bool = False) -> Any:
        shown = self.issuer.issue(person.email, person.key, self.enclave.clock.now // 1000) if token else None
        return await self.enclave.ask(person, body, self.id, token=shown)

    async def device(self) -> Person:
        """A device that has come in by a token."""
        person = Person(self.email)
        checked(await self.ask(person, self.open(), token=True), VaultStatus)
        return person

    def open(self) -> OpenVault:
        return OpenVault(definition=self.definition.canonical())

    async def put(self, person: Person, value: bytes, item: str | None = None, **fields: Any) -> Item:
        """Puts a value there; the item as it is then."""
        item, request = item or f"dataset/{new_id()}", new_id()
        await self.ask(person, PutItem(item=item, value=value, request=request, **fields))
        return Item(item=item, revision=request, value=value)

    async def read(self, person: Person, item: str) -> Item:
        (found,) = checked(await self.ask(person, ReadItem(item=item)), Items).items
        return found

    def size(self) -> int:
        """Rows of the stored log."""
        return len(list(self.enclave.store.read(self.place)))


@pytest.fixture
def owner(enclave: Enclave) -> Owner:
    return Owner(enclave)


async def test_what_is_put_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "rooms.db"
    owner = Owner(Enclave(path))
    device = await owner.device()
    value = b"a word that stands in the vault " * 100
    item = await owner.put(device, value)
    assert await owner.read(device, item.item) == item
    owner.enclave.close()
    again = owner.again(Enclave(path))
    assert await again.read(device, item.item) == item
    assert checked(await again.ask(device, ListItems(kind="dataset")), Items).items == (item,)
    assert checked(await again.ask(device, ListItems(kind="key")), Items).items == ()
    again.enclave.close()
    # Neither names nor values can be read from the store.
    stored = path.read_bytes()
    assert not [each for each in (b"a word", item.item.encode(), ALICE.encode()) if each in stored]


async def test_overwriting_appends_nothing(owner: Owner) -> None:
    device = await owner.device()
    item = await owner.put(device, b"draft")
    size = owner.size()
    for text in (b"a longer draft", b"", b"x" * 4096):
        item = await owner.put(device, text, item.item, replaces=item.revision)
    assert owner.size() == size
    assert await owner.read(device, item.item) == item
    # Outgrowing what was reserved does.
    item = await owner.put(device, b"x" * 4097, item.item, replaces=item.revision)
    assert owner.size() == size + 1
    assert await owner.read(device, item.item) == item


async def test_several_items_are_put_together_or_not_at_all(tmp_path: Path) -> None:
    owner = Owner(Enclave(tmp_path / "rooms.db"))
    device = await owner.device()
    old = await owner.put(device, b"old")
    items = tuple(
        PutItem(item=f"{kind}/{new_id()}", value=kind.encode(), request=new_id(), blob=new_id())
        for kind in ("manifest", "key", "dataset")
    )
    changed = PutItem(item=old.item, value=b"new", request=new_id(), replaces=old.revision)
    size = owner.size()
    stale = PutItem(item=old.item, value=b"new", request=new_id(), replaces=new_id())
    for bad, why in (((*items, stale), "changed from somewhere else"), ((*items, items[0]), "names an item twice")):
        with pytest.raises(Refused, match=why):
            await owner.ask(device, PutItems(items=bad))
    assert owner.size() == size
    assert await owner.enclave.service.held(tuple(each.blob or "" for each in items)) == ()
    # A second delivery, ever so late, changes nothing.
    for _ in range(2):
        await owner.ask(device, PutItems(items=(*items, changed)))
        assert owner.size() == size + len(items)
    assert len(await owner.enclave.service.held(tuple(each.blob or "" for each in items))) == len(items)
    owner.enclave.close()
    again = owner.again(Enclave(tmp_path / "rooms.db"))
    for each in (*items, changed):
        assert await again.read(device, each.item) == Item(item=each.item, revision=each.request, value=each.value)
    again.enclave.close()


async def test_late_and_repeated_requests_change_nothing(owner: Owner) -> None:
    device = await owner.device()
    first = PutItem(item=f"key/{new_id()}", value=b"1", request=new_id())
    second = PutItem(item=first.item, value=b"2", request=new_id(), replaces=first.request)
    for body in (first, first, second, second, first):
        await owner.ask(device, body)
    assert (await owner.read(device, first.item)).value == b"2"
    third = await owner.put(device, b"1", first.item, replaces=second.request)
    with pytest.raises(Refused, match="changed from somewhere else"):
        await owner.ask(device, second)
    await owner.ask(device, RemoveItem(item=first.item, revision=second.request))
    assert (await owner.read(device, first.item)) == third
    await owner.ask(device, RemoveItem(item=first.item, revision=third.revision))
    # Removed is removed: nothing that comes late brings it back.
    await owner.ask(device, first)
    await owner.ask(device, RemoveItem(item=first.item, revision=third.revision))
    with pytest.raises(Refused, match="no such item"):
        await owner.read(device, first.item)
    with pytest.raises(Refused, match="changed from somewhere else"):
        await owner.ask(device, second)


async def test_two_devices_do_not_overwrite_each_other_unseen(owner: Owner) -> None:
    one, two = await owner.device(), await owner.device()
    item = await owner.put(one, b"first")
    await owner.put(two, b"second", item.item, replaces=item.revision)
    with pytest.raises(Refused) as refused:
        await owner.put(one, b"third", item.item, replaces=item.revision)
    assert refused.value.code == "conflict"
    with pytest.raises(Refused):
        await owner.put(one, b"anew", item.item)


async def test_removing_shreds_the_value(tmp_path: Path) -> None:
    path = tmp_path / "rooms.db"
    owner = Owner(Enclave(path))
    device = await owner.device()
    item = await owner.put(device, b"gone soon")
    sealed = {value for room, _, value in stored_secrets(path) if room == owner.place}
    assert len(sealed) == 1
    await owner.ask(device, RemoveItem(item=item.item, revision=item.revision))
    assert not [value for room, _, value in stored_secrets(path) if room == owner.place]
    assert not [value for value in sealed for file in tmp_path.iterdir() if value in file.read_bytes()]
    owner.enclave.close()


# --- keys and devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["key", "draft", "publishing"])
async def test_a_device_that_a_token_brings_in_sees_no_keys_of_others(owner: Owner, kind: str) -> None:
    """An issuer that lies can bring itself in, in plain sight; what was kept stays closed to it."""
    first = await owner.device()
    key, name = await owner.put(first, b"k" * 32, f"{kind}/{new_id()}"), await owner.put(first, b"patients.csv")
    second = await owner.device()
    with pytest.raises(Refused, match=r"not admitted to the keys in your vault yet.* in 72 hours"):
        await owner.read(second, key.item)
    assert checked(await owner.ask(second, ListItems(kind=kind)), Items).items == ()
    assert await owner.read(second, name.item) == name
    # Its own it may see; those of others it can't change or take out either.
    own = await owner.put(second, b"2" * 32, f"{kind}/{new_id()}")
    assert await owner.read(second, own.item) == own
    with pytest.raises(Refused, match="not admitted"):
        await owner.put(second, b"3" * 32, key.item, replaces=key.revision)
    with pytest.raises(Refused, match="not admitted"):
        await owner.ask(second, RemoveItem(item=key.item, revision=key.revision))
    # It can't admit itself, nor put out others.
    for body in (AdmitDevice(key=second.key.hex()), DismissDevice(key=first.key.hex())):
        with pytest.raises(Refused, match="not admitted"):
            await owner.ask(second, body)
    devices = checked(await owner.ask(first, owner.open()), VaultStatus).devices
    assert [(each.key, each.admitted) for each in devices] == [(first.key.hex(), True), (second.key.hex(), False)]
    # The first one says that it may.
    await owner.ask(first, AdmitDevice(key=second.key.hex()))
    await owner.ask(first, AdmitDevice(key=second.key.hex()))
    assert await owner.read(second, own.item) == own
    assert len(checked(await owner.ask(second, ListItems(kind=kind)), Items).items) == 2


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_store_that_is_lost_while_it_writes(tmp_path: Path, when: str) -> None:
    """Nobody knows then whether it has written: the log is read again before anything follows."""
    path = tmp_path / "rooms.db"
    with closing(LosingStore(path)) as store:
        owner = Owner(Enclave(path, store=store))
        device = await owner.device()
        body = PutItem(item=f"dataset/{new_id()}", value=b"value", request=new_id())
        store.lose = when
        with pytest.raises(Refused, match="lost its store while it wrote"):
            await owner.ask(device, body)
        size = owner.size()
        await owner.ask(device, body)
        assert owner.size() == size + (when == "before")
        assert (await owner.read(device, body.item)).value == b"value"


async def test_vaults_and_their_changes_are_bounded() -> None:
    allowed = Allowances(vaults_per_hour=0.0, vaults_burst=2, user_events_per_second=0.0, user_events_burst=3)
    enclave = Enclave(allowed=allowed)
    owner, _ = Owner(enclave), await Owner(enclave).device()
    device = await owner.device()
    with pytest.raises(Refused, match="made too many vaults") as caught:
        await Owner(enclave).device()
    assert caught.value.code == "busy"
    # Its devices come in all the same; and who changes too much can still read and remove.
    another = await owner.device()
    item = await owner.put(device, b"1")
    for text in (b"2", b"3"):
        item = await owner.put(device, text, item.item, replaces=item.revision)
    with pytest.raises(Refused, match="changed too much in your vault"):
        await owner.put(device, b"4")
    await owner.put(another, b"5")
    assert (await owner.read(device, item.item)).value == b"3"
    await owner.ask(device, RemoveItem(item=item.item, revision=item.revision))
    enclave.close()


async def test_vaults_that_nobody_uses_go_and_come_back_as_they_were(path: Path) -> None:
    with closing(Enclave(path, memory_bytes=0)) as enclave:
        owners = [Owner(enclave) for _ in range(3)]
        devices = [await owner.device() for owner in owners]
        items = [await owner.put(device, b"kept") for owner, device in zip(owners, devices, strict=True)]
        assert len(enclave.service._vaults._there) == 1
        for owner, device, item in zip(owners, devices, items, strict=True):
            assert await owner.read(device, item.item) == item
            assert len(enclave.service._vaults._there) == 1


async def test_a_lost_last_key_is_recovered_after_days(owner: Owner) -> None:
    lost = await owner.device()
    key = await owner.put(lost, b"k" * 32, f"key/{new_id()}")
    fresh = await owner.device()
    owner.enclave.clock.now += RECOVERY - 1
    with pytest.raises(Refused, match="in 1 hours"):
        await owner.read(fresh, key.item)
    owner.enclave.clock.now += 1
    assert await owner.read(fresh, key.item) == key


@pytest.mark.parametrize("kind", ["key", "draft", "publishing"])
async def test_what_an_admitted_device_writes_over_is_not_shown_to_who_was_there_before(
    owner: Owner, kind: str
) -> None:
    """A device that a token brought in may prepare a place, and wait for what comes there."""
    first, second = await owner.device(), await owner.device()
    bait = await owner.put(second, b"2" * 32, f"{kind}/{new_id()}")
    assert await owner.read(second, bait.item) == bait
    kept = await owner.put(first, b"k" * 32, bait.item, replaces=bait.revision)
    with pytest.raises(Refused, match="not admitted"):
        await owner.read(second, kept.item)
    with pytest.raises(Refused, match="not admitted"):
        await owner.put(second, b"3" * 32, kept.item, replaces=kept.revision)
    assert checked(await owner.ask(second, ListItems(kind=kind)), Items).items == ()
    assert await owner.read(first, kept.item) == kept


async def test_dismissed_devices_are_out_for_good(owner: Owner) -> None:
    first, second = await owner.device(), await owner.device()
    with pytest.raises(Refused, match="last device that is admitted"):
        await owner.ask(first, DismissDevice(key=first.key.hex()))
    await owner.ask(first, DismissDevice(key=second.key.hex()))
    await owner.ask(first, DismissDevice(key=second.key.hex()))
    with pytest.raises(Refused, match=r"no such vault"):
        await owner.ask(second, ListItems(kind="dataset"))
    with pytest.raises(Refused, match="was dismissed"):
        await owner.ask(second, owner.open(), token=True)
    owner.enclave.clock.now += RECOVERY
    with pytest.raises(Refused):
        await owner.ask(second, ListItems(kind="key"))
    with pytest.raises(Refused, match="No device of that key"):
        await owner.ask(first, AdmitDevice(key=second.key.hex()))
    # A device may leave of itself.
    third = await owner.device()
    await owner.ask(third, DismissDevice(key=third.key.hex()))
    with pytest.raises(Refused):
        await owner.ask(third, ListItems(kind="key"))


async def test_a_clock_that_is_set_back_is_refused(owner: Owner) -> None:
    device = await owner.device()
    owner.enclave.clock.now -= 60_000
    with pytest.raises(Refused, match="clock is behind"):
        await owner.put(device, b"")


# --- everybody else ---------------------------------------------------------------------------------------------------


def bodies(owner: Owner, item: str) -> list[VaultBody]:
    """One request of every kind."""
    key = new_id()
    found: list[VaultBody] = [
        owner.open(),
        PutItem(item=f"dataset/{key}", value=b"", request=key),
        PutItems(items=(PutItem(item=f"dataset/{key}", value=b"", request=key),)),
        ReadItem(item=item),
        ListItems(kind="dataset"),
        RemoveItem(item=item, revision=key),
        AdmitDevice(key=key),
        DismissDevice(key=key),
    ]
    assert {type(each) for each in found} == set(get_args(VaultBody))
    return found


STRANGERS = ("other user", "other user as the owner", "unknown device", "stolen token", "expired token", "own issuer")


@pytest.mark.parametrize("who", STRANGERS)
async def test_to_everybody_else_there_is_no_such_vault(owner: Owner, who: str) -> None:
    """Byte for byte, whether there is one or not, whatever is asked."""
    device = await owner.device()
    item = (await owner.put(device, b"value")).item
    size, now = owner.size(), owner.enclave.clock.now // 1000
    person = Person(MALLORY if who == "other user" else ALICE)
    token = {
        "other user": owner.issuer.issue(MALLORY, person.key, now),
        "other user as the owner": owner.issuer.issue(MALLORY, person.key, now),
        "unknown device": None,
        "stolen token": owner.issuer.issue(ALICE, device.key, now),
        "expired token": owner.issuer.issue(ALICE, person.key, now - 361),
        "own issuer": token_issuer().issue(ALICE, person.key, now),
    }[who]
    answers = set()
    for body in bodies(owner, item):
        for vault in (owner.id, new_id()):
            for signing in (person.device, None):
                request = Request(body=body, room=vault, user=person.email, token=token)
                answers |= {frame async for frame in owner.enclave.frames(request, signing)}
    (answer,) = answers
    assert msgspec.json.decode(answer, type=Refusal) == Refusal(code="not_found", message=NO_SUCH_VAULT)
    assert owner.size() == size


async def test_a_vault_with_other_issuers_is_another_one(owner: Owner) -> None:
    """Whoever invents an issuer for a user gets a vault of its own making, and not the user's."""
    device = await owner.device()
    item = await owner.put(device, b"value")
    forger = Owner(owner.enclave)
    forged = forger.definition
    assert forger.id != owner.id
    intruder = await forger.device()
    assert checked(await forger.ask(intruder, ListItems(kind="dataset")), Items).items == ()
    # Nor does the definition of one open the other.
    request = Request(
        body=OpenVault(definition=forged.canonical()),
        room=owner.id,
        user=ALICE,
        token=forger.issuer.issue(ALICE, intruder.key, owner.enclave.clock.now // 1000),
    )
    (answer,) = [frame async for frame in owner.enclave.frames(request, intruder.device)]
    assert msgspec.json.decode(answer, type=Refusal).message == NO_SUCH_VAULT
    assert await owner.read(device, item.item) == item


async def test_nothing_but_opening_makes_a_vault(owner: Owner) -> None:
    person = Person(ALICE)
    for body in bodies(owner, f"key/{new_id()}")[1:]:
        with pytest.raises(Refused) as refused:
            await owner.ask(person, body, token=True)
        assert refused.value.message == NO_SUCH_VAULT
    assert owner.size() == 0


async def test_vaults_are_no_rooms_and_rooms_no_vaults(owner: Owner) -> None:
    """What is asked of one by the id of the other is answered as if there were neither."""
    device = await owner.device()
    room = await Meeting.publish(owner.enclave, [data("patients")], [Participant(user=ALICE)], people={ALICE: device})
    for body in (RetrieveRoom(), StopRoom()):
        with pytest.raises(Refused) as refused:
            await owner.enclave.ask(device, body, owner.id)
        assert refused.value.message == NO_SUCH_ROOM
    for other in bodies(owner, f"key/{new_id()}"):
        with pytest.raises(Refused) as refused:
            await owner.enclave.ask(device, other, room.id)
        assert refused.value.message == NO_SUCH_VAULT


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_items_are_bounded(owner: Owner) -> None:
    device = await owner.device()
    with pytest.raises(Refused, match="at most 16 MiB"):
        await owner.put(device, bytes(MAX_ITEM + 1))
    for name in ("dataset/short", "Dataset/" + new_id(), "dataset/" + new_id() + "\n", new_id()):
        with pytest.raises(Refused) as refused:
            await owner.put(device, b"", name)
        assert refused.value.code == "rejected"


async def test_long_lists_come_in_pieces(owner: Owner) -> None:
    device = await owner.device()
    put = sorted([(await owner.put(device, os.urandom(3 * 1024 * 1024))).item for _ in range(5)])
    got: list[str] = []
    more = True
    while more:
        after = got[-1] if got else ""
        answer = checked(await owner.ask(device, ListItems(kind="dataset", after=after)), Items)
        assert 1 <= len(answer.items) <= 2
        got += [item.item for item in answer.items]
        more = answer.more
    assert got == put


async def test_an_item_holds_a_blob(owner: Owner) -> None:
    device = await owner.device()
    blob = new_id()
    item = await owner.put(device, b"manifest", blob=blob)
    assert await held(owner.enclave, blob) == {blob}
    await owner.ask(device, RemoveItem(item=item.item, revision=item.revision))
    assert await held(owner.enclave, blob) == set()


# --- the store --------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rooms.db"


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM rows WHERE position = 1 AND room = :vault",
        "UPDATE rows SET sealed = sealed || x'00' WHERE position = 2 AND room = :vault",
        "UPDATE secrets SET sealed = sealed || x'00' WHERE room = :vault",
        "DELETE FROM secrets WHERE room = :vault",
    ],
)
async def test_a_changed_store_closes_the_vault(path: Path, change: str) -> None:
    owner = Owner(Enclave(path))
    device = await owner.device()
    item = await owner.put(device, b"value")
    owner.enclave.store._database.execute(change, {"vault": owner.place})
    owner.enclave.close()
    again = owner.again(Enclave(path))
    with pytest.raises(Refused, match="restore the store") as refused:
        await again.read(device, item.item)
    assert refused.value.code == "failed"
    again.enclave.close()


async def test_clients_notice_what_was_taken_back(path: Path) -> None:
    owner = Owner(Enclave(path))
    device = await owner.device()
    await owner.put(device, b"value")
    owner.enclave.store._database.execute("DELETE FROM rows WHERE position = 2 AND room = ?", (owner.place,))
    owner.enclave.close()
    again = owner.again(Enclave(path, clock=Clock()))
    with pytest.raises(LogTampered):
        await again.ask(device, ListItems(kind="dataset"))
    again.enclave.close()


async def test_a_restore_is_told_to_the_vault(tmp_path: Path) -> None:
    path = tmp_path / "rooms.db"
    owner = Owner(Enclave(path))
    device = await owner.device()
    item = await owner.put(device, b"value")
    owner.enclave.close()
    declare_restored(path, 1_700_000_000_000)
    again = owner.again(Enclave(path))
    size = again.size()
    assert await again.read(device, item.item) == item
    assert await again.read(device, item.item) == item
    assert again.size() == size + 1
    again.enclave.close()
    # Once for each restore.
    third = owner.again(Enclave(path))
    assert await third.read(device, item.item) == item
    assert third.size() == size + 1
    third.enclave.close()


async def test_a_device_that_was_dismissed_since_the_backup_is_not_admitted_by_the_restore(tmp_path: Path) -> None:
    owner = Owner(Enclave(tmp_path / "old.db"))
    first, second = await owner.device(), await owner.device()
    key = await owner.put(first, b"k" * 32, f"key/{new_id()}")
    backup_store(tmp_path / "old.db", tmp_path / "backup.db")
    await owner.ask(first, DismissDevice(key=second.key.hex()))
    owner.enclave.close()
    clock = owner.enclave.clock
    clock.now += 2 * RECOVERY
    restore_store(tmp_path / "backup.db", tmp_path / "new.db", clock.now)
    again = owner.again(Enclave(tmp_path / "new.db", clock=clock))
    for person in (first, second):
        person.seen.clear()
    with pytest.raises(Refused, match=r"not admitted .* in 72 hours"):
        await again.read(second, key.item)
    assert await again.read(first, key.item) == key
    await again.ask(first, DismissDevice(key=second.key.hex()))
    with pytest.raises(Refused, match="no such vault"):
        await again.read(second, key.item)
    again.enclave.close()
