"""Whose data it is sees who speaks for whom, before anything of it leaves."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from cloister.analytics import AnalyticsDcrBuilder, RawDataNode, RawDataNodeDefinition
from cloister.sdk.bound_keys import KeyCheck
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.key import Key

from .conftest import BOB, OWNER, Room, World

Publish = Callable[..., Room]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def attach(room: AnalyticsDcr) -> None:
    node = room.get_node("text")
    assert isinstance(node, RawDataNode)
    node.upload_and_publish_dataset(b"data", Key(), "text.txt")


def checked_by(world: World, room: Room, check: KeyCheck) -> AnalyticsDcr:
    return world.client(OWNER, check_keys=check).retrieve_analytics_dcr(room.dcr.id)


def test_a_function_sees_every_participant(publish: Publish, world: World) -> None:
    room = publish()
    seen: list[tuple[str, dict[str, list[str]]]] = []
    checked = checked_by(world, room, lambda *given: seen.append(given))
    assert seen == []
    attach(checked)
    assert seen == [(room.dcr.id, {OWNER: [room.client.device_key], BOB: []})]
    bob = world.client(BOB)
    bob.retrieve_analytics_dcr(room.dcr.id)
    room.text.remove_published_dataset()
    attach(checked)
    assert seen[1][1][BOB] == [bob.device_key]


def test_what_it_raises_keeps_the_data_here(publish: Publish, world: World) -> None:
    def refuse(room: str, keys: dict[str, list[str]]) -> None:
        raise PermissionError("never seen that key")

    checked = checked_by(world, publish(), refuse)
    with pytest.raises(PermissionError, match="never seen that key"):
        attach(checked)
    assert world.hub.blobs == {}
    assert checked.status().attached == ()


def test_people_at_a_terminal_are_shown_them(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    room = publish()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    attach(room.dcr)
    text = terminal.getvalue()
    assert "'Uppercase'" in text
    assert f"  {OWNER}  {room.client.device_key}\n" in text
    assert f"  {BOB}  none yet: the hub vouches for the first\n" in text


def test_programs_are_not_disturbed(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    room = publish()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    attach(room.dcr)
    assert stream.getvalue() == ""


def test_pinned_keys_are_shown_as_such(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client, bob = world.client(), world.client(BOB)
    room = client.publish_analytics_dcr(
        AnalyticsDcrBuilder(client=client)
        .with_name("Pinned")
        .with_owner(OWNER)
        .with_pinned_keys_only()
        .add_node_definition(RawDataNodeDefinition("text", is_required=True))
        .add_participant(OWNER, data_owner_of=["text"], device_keys=[client.device_key])
        .add_participant(BOB, device_keys=[bob.device_key])
        .build()
    )
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    attach(room)
    assert f"  {BOB}  {bob.device_key}\n" in terminal.getvalue()
