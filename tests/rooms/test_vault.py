"""A vault's state and rules: whatever has happened is taken as having happened; what may happen stays within bounds."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import DefinitionInvalid, Refused
from cloister.formats.encoding import canonical, sha256
from cloister.rooms import vault
from cloister.rooms.definition import Issuer
from cloister.rooms.events import Restored
from cloister.rooms.vault import (
    MAX_DEFINITION,
    MAX_EVENTS,
    MAX_ITEM,
    MAX_RESERVED,
    RECOVERY,
    DeviceAdmitted,
    DeviceBound,
    DeviceDismissed,
    ItemPut,
    ItemRemoved,
    VaultBody,
    VaultDefinition,
    VaultEvent,
    VaultOpened,
    VaultState,
    read_vault_definition,
)

USER = "user@vault.example"
DEFINITION = VaultDefinition(nonce="00" * 32, user=USER, issuers=(Issuer(name="hub", keys=("11" * 32,)),))
KEYS = [f"{number:02x}" * 32 for number in range(5)]
ITEMS = [f"{kind}/{number:02x}" + "00" * 31 for kind in ("key", "draft", "dataset") for number in range(4)]

keys, items, times = st.sampled_from(KEYS), st.sampled_from(ITEMS), st.integers(0, 2**40)
bodies: st.SearchStrategy[VaultBody] = st.one_of(
    st.just(VaultOpened(definition=DEFINITION)),
    st.builds(DeviceBound, key=keys, issuer=st.just("hub")),
    st.builds(DeviceAdmitted, key=keys),
    st.builds(DeviceDismissed, key=keys),
    st.builds(ItemPut, item=items, reserved=st.integers(0, MAX_RESERVED), request=keys),
    st.builds(ItemRemoved, item=items),
    st.builds(Restored, restore=keys, declared=times),
)


@given(st.lists(st.builds(VaultEvent, time=times, device=st.none() | keys, body=bodies)))
def test_the_fold_is_total(events: list[VaultEvent]) -> None:
    state = VaultState()
    for event in events:
        state.apply(event)
    assert state.size == len(events)
    assert state.time == max((event.time for event in events), default=0)
    assert state.reserved == sum(item.reserved for item in state.items.values())
    assert state.dismissed.isdisjoint(state.devices)


steps = st.one_of(
    st.tuples(st.just("bind"), keys, keys, st.just(0)),
    st.tuples(st.just("admit"), keys, keys, st.just(0)),
    st.tuples(st.just("dismiss"), keys, keys, st.just(0)),
    st.tuples(st.just("put"), keys, items, st.integers(0, MAX_ITEM + 1)),
    st.tuples(st.just("remove"), keys, items, st.just(0)),
    st.tuples(st.just("restore"), keys, keys, st.just(0)),
)


@given(st.lists(st.tuples(steps, st.integers(0, RECOVERY // 3)), max_size=60))
def test_what_the_rules_allow_keeps_a_vault_in_order(course: list[tuple[tuple[str, str, str, int], int]]) -> None:
    state, now, restored_at = VaultState(), 0, -RECOVERY
    writers: dict[str, str] = {}
    state.apply(VaultEvent(time=0, device=KEYS[0], body=VaultOpened(definition=DEFINITION)))
    for number, ((what, who, target, size), later) in enumerate(course):
        now += later
        decided: list[VaultBody] = []
        with contextlib.suppress(Refused):
            match what:
                case "bind":
                    decided = vault.bind(state, target, "hub")
                case "admit" if who in state.devices:
                    decided = vault.admit(state, who, target, now)
                case "dismiss" if who in state.devices:
                    decided = vault.dismiss(state, who, target, now)
                case "put" if who in state.devices:
                    if target in state.items:
                        vault.check_readable(state, target, who, now)
                    decided = [*vault.put(state, who, target, size, f"{number:064x}")]
                    writers[target] = who
                case "remove" if target in state.items:
                    decided = [ItemRemoved(item=target)]
                case "restore":
                    decided = vault.restored(state, Restored(restore=f"{number:064x}", declared=now))
                    restored_at = now
        for body in decided:
            state.apply(VaultEvent(time=vault.event_time(state, now), device=who, body=body))
        admitted = {key for key in state.devices if vault.is_admitted(state, key, now)}
        # Nobody is ever locked out for good: once there is a device, one is admitted, or will be.
        assert bool(admitted) == bool(state.devices) or now < restored_at + RECOVERY
        assert state.reserved <= MAX_RESERVED
        assert state.reserved == sum(item.reserved for item in state.items.values())
        for key in state.devices:
            for item in state.items:
                readable = True
                try:
                    vault.check_readable(state, item, key, now)
                except Refused:
                    readable = False
                protected = item.startswith(("draft/", "key/"))
                assert readable == (not protected or writers[item] == key or key in admitted)


@given(st.integers(0, MAX_ITEM))
def test_a_value_fits_into_what_is_reserved_for_it(size: int) -> None:
    (event,) = vault.put(VaultState(), KEYS[0], ITEMS[0], size, "00" * 32)
    assert size <= event.reserved <= max(4096, 2 * size)
    assert event.reserved & (event.reserved - 1) == 0


def test_a_full_vault_says_so() -> None:
    state = VaultState()
    for number in range(MAX_RESERVED // MAX_ITEM):
        for body in vault.put(state, KEYS[0], f"dataset/{number:064x}", MAX_ITEM, f"{number:064x}"):
            state.apply(VaultEvent(time=0, device=KEYS[0], body=body))
    with pytest.raises(Refused, match="Your vault is full: it holds 256 MiB"):
        vault.put(state, KEYS[0], ITEMS[0], 1, "ff" * 32)
    # What is put together counts together.
    state.apply(VaultEvent(time=0, device=KEYS[0], body=ItemRemoved(item=f"dataset/{0:064x}")))
    half = vault.put(state, KEYS[0], ITEMS[0], MAX_ITEM // 2, "ff" * 32)
    (other,) = vault.put(state, KEYS[0], ITEMS[1], MAX_ITEM // 2, "fe" * 32, beside=half)
    with pytest.raises(Refused, match="Your vault is full"):
        vault.put(state, KEYS[0], ITEMS[2], 1, "fd" * 32, beside=[*half, other])
    (again,) = vault.put(state, KEYS[0], f"dataset/{0:064x}", MAX_ITEM, "fc" * 32)
    state.apply(VaultEvent(time=0, device=KEYS[0], body=again))
    # What is there can be overwritten all the same.
    assert vault.put(state, KEYS[0], f"dataset/{0:064x}", 1, "ff" * 32) == []


def test_who_writes_over_a_protected_item_has_it() -> None:
    state = VaultState()
    owner, other = KEYS[:2]
    key, name = f"key/{1:064x}", f"dataset/{1:064x}"
    for item in (key, name):
        for put in vault.put(state, other, item, 10, "01" * 32):
            state.apply(VaultEvent(time=0, device=other, body=put))
    assert [vault.put(state, other, item, 10, "02" * 32) for item in (key, name)] == [[], []]
    (event,) = vault.put(state, owner, key, 10, "03" * 32)
    assert vault.put(state, owner, name, 10, "03" * 32) == []
    state.apply(VaultEvent(time=0, device=owner, body=event))
    vault.check_readable(state, key, owner, 0)
    with pytest.raises(Refused):
        vault.check_readable(state, key, other, 0)
    assert vault.put(state, owner, key, 10, "04" * 32) == []


def test_a_restore_starts_the_wait_of_devices_that_nobody_has_admitted_anew() -> None:
    """One that was dismissed since the backup is there again, as if it had only waited."""
    state = VaultState()
    for key in KEYS[:3]:
        state.apply(VaultEvent(time=0, device=key, body=DeviceBound(key=key, issuer="hub")))
    state.apply(VaultEvent(time=0, device=KEYS[0], body=DeviceAdmitted(key=KEYS[1])))
    now = 2 * RECOVERY
    assert all(vault.is_admitted(state, key, now) for key in KEYS[:3])
    state.apply(VaultEvent(time=now, device=None, body=Restored(restore="01" * 32, declared=now)))
    assert [vault.is_admitted(state, key, now) for key in KEYS[:3]] == [True, True, False]
    assert not vault.is_admitted(state, KEYS[2], now + RECOVERY - 1)
    assert vault.is_admitted(state, KEYS[2], now + RECOVERY)


def test_a_definition_is_what_its_id_stands_for() -> None:
    data = DEFINITION.canonical()
    assert read_vault_definition(data, vault=DEFINITION.id()) == DEFINITION
    wrong = [
        (data, "ab" * 32),
        (data + b" ", None),
        (b"x" * (MAX_DEFINITION + 1), None),
        (canonical({**_plain(), "user": "User@vault.example"}), None),
        (canonical({**_plain(), "issuers": []}), None),
        (canonical({**_plain(), "issuers": [{"name": "hub", "keys": []}]}), None),
        (canonical({**_plain(), "version": 2}), None),
        (canonical({**_plain(), "more": 1}), None),
    ]
    for content, name in wrong:
        with pytest.raises(DefinitionInvalid):
            read_vault_definition(content, vault=name or sha256(content).hex())


def _plain() -> dict[str, object]:
    return {"version": 1, "nonce": "00" * 32, "user": USER, "issuers": [{"name": "hub", "keys": ["11" * 32]}]}


def test_a_vault_that_was_changed_too_often_takes_no_more_but_what_it_has() -> None:
    state = VaultState(size=MAX_EVENTS - 1)
    (put,) = vault.put(state, KEYS[0], ITEMS[0], 10, "00" * 32)
    state.apply(VaultEvent(time=0, device=KEYS[0], body=put))
    assert vault.put(state, KEYS[0], ITEMS[0], 4096, "01" * 32) == []
    for item, size in ((ITEMS[0], 4097), (ITEMS[1], 1)):
        with pytest.raises(Refused, match="was changed 1000000 times, the most") as caught:
            vault.put(state, KEYS[0], item, size, "02" * 32)
        assert caught.value.code == "conflict"
