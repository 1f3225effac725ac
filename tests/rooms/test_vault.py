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
)


@given(st.lists(st.tuples(steps, st.integers(0, RECOVERY // 3)), max_size=60))
def test_what_the_rules_allow_keeps_a_vault_in_order(course: list[tuple[tuple[str, str, str, int], int]]) -> None:
    state, now = VaultState(), 0
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
                    decided = [*vault.put(state, target, size, f"{number:064x}")]
                case "remove" if target in state.items:
                    decided = [ItemRemoved(item=target)]
        for body in decided:
            state.apply(VaultEvent(time=vault.event_time(state, now), device=who, body=body))
        admitted = {key for key in state.devices if vault.is_admitted(state, key, now)}
        # Nobody is ever locked out for good: once there is a device, one is admitted.
        assert bool(admitted) == bool(state.devices)
        assert state.reserved <= MAX_RESERVED
        assert state.reserved == sum(item.reserved for item in state.items.values())
        for key in state.devices:
            for item, there in state.items.items():
                readable = True
                try:
                    vault.check_readable(state, item, key, now)
                except Refused:
                    readable = False
                assert readable == (not item.startswith(("draft/", "key/")) or there.device == key or key in admitted)


@given(st.integers(0, MAX_ITEM))
def test_a_value_fits_into_what_is_reserved_for_it(size: int) -> None:
    (event,) = vault.put(VaultState(), ITEMS[0], size, "00" * 32)
    assert size <= event.reserved <= max(4096, 2 * size)
    assert event.reserved & (event.reserved - 1) == 0


def test_a_full_vault_says_so() -> None:
    state = VaultState()
    for number in range(MAX_RESERVED // MAX_ITEM):
        for body in vault.put(state, f"dataset/{number:064x}", MAX_ITEM, f"{number:064x}"):
            state.apply(VaultEvent(time=0, device=KEYS[0], body=body))
    with pytest.raises(Refused, match="Your vault is full: it holds 256 MiB"):
        vault.put(state, ITEMS[0], 1, "ff" * 32)
    # What is put together counts together.
    state.apply(VaultEvent(time=0, device=KEYS[0], body=ItemRemoved(item=f"dataset/{0:064x}")))
    half = vault.put(state, ITEMS[0], MAX_ITEM // 2, "ff" * 32)
    (other,) = vault.put(state, ITEMS[1], MAX_ITEM // 2, "fe" * 32, beside=half)
    with pytest.raises(Refused, match="Your vault is full"):
        vault.put(state, ITEMS[2], 1, "fd" * 32, beside=[*half, other])
    (again,) = vault.put(state, f"dataset/{0:064x}", MAX_ITEM, "fc" * 32)
    state.apply(VaultEvent(time=0, device=KEYS[0], body=again))
    # What is there can be overwritten all the same.
    assert vault.put(state, f"dataset/{0:064x}", 1, "ff" * 32) == []


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
    (put,) = vault.put(state, ITEMS[0], 10, "00" * 32)
    state.apply(VaultEvent(time=0, device=KEYS[0], body=put))
    assert vault.put(state, ITEMS[0], 4096, "01" * 32) == []
    for item, size in ((ITEMS[0], 4097), (ITEMS[1], 1)):
        with pytest.raises(Refused, match="was changed 1000000 times, the most") as caught:
            vault.put(state, item, size, "02" * 32)
        assert caught.value.code == "conflict"
