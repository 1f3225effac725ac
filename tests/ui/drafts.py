"""Drafts that people begin with: as if somebody had sent them the configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from playwright.sync_api import expect

from cloister.rooms.configuration import write_configuration
from cloister.rooms.definition import Participant
from cloister.rooms.nodes import DataNode
from cloister.sdk.builder import AnalyticsDcrDefinition
from cloister.sdk.definitions.base import NodeDefinition

from .people import Person


def configuration(title: str, owner: str, nodes: Sequence[NodeDefinition], *others: Participant) -> dict[str, Any]:
    """The JSON of a room in which its owner has all roles; tests may make it wrong."""
    data = tuple(each.id for each in nodes if isinstance(each.record, DataNode))
    computed = tuple(each.id for each in nodes if each.id not in data)
    everything = Participant(user=owner, data_owner_of=data, analyst_of=computed)
    room = AnalyticsDcrDefinition(
        title=title, description="", owner=owner, participants=[everything, *others], nodes=nodes
    )
    written: dict[str, Any] = json.loads(write_configuration(room.configuration))
    return written


def imports(person: Person, room: Mapping[str, Any]) -> str:
    """Makes a draft of a configuration, where clean rooms are listed; its path."""
    page = person.goes_to("/")
    page.get_by_role("button", name="New clean room").click()
    dialog = page.get_by_role("dialog", name="New clean room")
    dialog.get_by_text("From a file").click()
    with page.expect_file_chooser() as chooser:
        dialog.get_by_label("Configuration").click()
    chooser.value.set_files({"name": "room.json", "mimeType": "application/json", "buffer": json.dumps(room).encode()})
    dialog.get_by_role("button", name="Create the draft").click()
    expect(page).to_have_url(re.compile("/drafts/[0-9a-f]{64}"))
    return "/drafts/" + page.url.split("/drafts/")[1][:64]
