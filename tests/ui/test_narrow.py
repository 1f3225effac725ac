"""Pages on a phone, whatever stands in them: they don't scroll sideways. And addresses that lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from cloister.analytics import (
    AnalyticsDcrBuilder,
    Column,
    FormatType,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    TableDataNodeDefinition,
)
from tests.installation import Installation

from .people import Person

OWNER = "narrow@rooms.example"
LONG = "W" * 250


def is_as_wide_as_the_screen(page: Page) -> None:
    root = page.locator("html")
    assert root.evaluate("page => page.scrollWidth") == root.evaluate("page => page.clientWidth")


def test_pages_fit_a_phone(person: Callable[..., Person], installation: Installation) -> None:
    client = installation.client(OWNER)
    builder = AnalyticsDcrBuilder(client=client).with_name(LONG).with_owner(OWNER).with_description(LONG)
    builder.add_node_definition(TableDataNodeDefinition("people", [Column(FormatType.INTEGER, "id", False)], True))
    builder.add_node_definition(RawDataNodeDefinition(name="letter", is_required=True))
    builder.add_node_definition(PythonComputeNodeDefinition(name="shout", script="print()", dependencies=["letter"]))
    builder.add_participant(OWNER, data_owner_of=["people"], analyst_of=["shout"])
    builder.add_participant("guest@rooms.example", data_owner_of=["letter"])
    room = client.publish_analytics_dcr(builder.build())
    reader = person(OWNER)
    reader.trusts_software()
    page = reader.goes_to("/")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_text("Software enclave")).to_be_visible()
    page.get_by_role("button", name="New clean room").click()
    dialog = page.get_by_role("dialog", name="New clean room")

    # What is no configuration is called that, and nothing of it stays for a room from scratch.
    dialog.get_by_text("From a file").click()
    dialog.locator("input[type=file]").set_input_files(
        {"name": "other.json", "mimeType": "application/json", "buffer": b'{"a": 1}'}
    )
    dialog.get_by_role("button", name="Create the draft").click()
    expect(dialog.get_by_role("alert", name="That did not work")).to_contain_text(
        "This file is no configuration of a room."
    )
    dialog.get_by_text("From scratch").click()
    expect(dialog.get_by_role("alert")).to_have_count(0)
    dialog.get_by_role("textbox", name="Name").fill(LONG)
    dialog.get_by_role("button", name="Create the draft").dblclick()
    expect(page).to_have_url(re.compile("/drafts/[0-9a-f]{64}"))
    page.get_by_role("button", name="Add table").click()
    page.get_by_role("dialog").get_by_label("Name").fill("patients")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Add column").click()
    expect(page.get_by_text("Kept in your vault")).to_be_visible()
    is_as_wide_as_the_screen(page)
    reader.goes_to("/")
    expect(page.get_by_role("link", name=LONG)).to_have_count(2)

    shown = {"": "What others do", "definition": "Where it runs", "trust": "Whose devices speak for whom"}
    for tab, heading in shown.items():
        reader.goes_to(f"/rooms/{room.id}/{tab}")
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        is_as_wide_as_the_screen(page)

    # An address that leads nowhere leads on.
    reader.goes_to(f"/rooms/{room.id}/nonsense")
    expect(page).to_have_url(re.compile(f"/rooms/{room.id}$"))
    expect(page.get_by_role("heading", name="What others do")).to_be_visible()
    reader.goes_to(f"/rooms/{'ab' * 32}")
    page.get_by_role("link", name="Go to your clean rooms").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Clean rooms")
