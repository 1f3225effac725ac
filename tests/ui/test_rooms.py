"""The lists of rooms, drafts and datasets in a browser, and what is done with them as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation

from .people import Person

pytestmark = pytest.mark.slow

OWNER, GUEST, KEEPER = "owner@rooms.example", "guest@rooms.example", "keeper@rooms.example"
NASTY = "<img src=x onerror=alert(1)>"
PHONE = {"width": 390, "height": 800}


def publish(installation: Installation, title: str, provider: str) -> AnalyticsDcr:
    """A room made with the SDK, by somebody on another machine."""
    client = installation.client(OWNER)
    builder = AnalyticsDcrBuilder(client=client).with_name(title).with_owner(OWNER).with_description(NASTY)
    builder.add_node_definition(RawDataNodeDefinition(name="letter", is_required=True))
    builder.add_node_definition(PythonComputeNodeDefinition(name="shout", script="print()", dependencies=["letter"]))
    builder.add_participant(OWNER, analyst_of=["shout"])
    builder.add_participant(provider, data_owner_of=["letter"])
    return client.publish_analytics_dcr(builder.build())


@pytest.fixture(scope="module")
def rooms(installation: Installation) -> list[AnalyticsDcr]:
    return [publish(installation, f"{NASTY} {number}", GUEST) for number in range(6)]


def new_room(page: Page, title: str) -> None:
    page.get_by_role("button", name="New clean room").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill(title)
    page.get_by_role("button", name="Create the draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def act(page: Page, what: str) -> None:
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name=what).click()


def is_kept(page: Page) -> None:
    expect(page.get_by_text("Kept in your vault")).to_be_visible()


def configuration(owner: str, people: int, nodes: int) -> dict[str, Any]:
    """Of a large room, as somebody else has exported it."""
    data = [{"kind": "raw_data", "id": f"d{at}", "name": f"data_{at}", "required": True} for at in range(nodes)]
    others = [
        {"user": f"person{at}@partner.example", "data_owner_of": [f"d{at}"], "analyst_of": [], "keys": []}
        for at in range(people)
    ]
    author = {"user": owner, "data_owner_of": [], "analyst_of": [], "keys": []}
    return {
        "format": "cloister-room",
        "version": 1,
        "title": NASTY,
        "description": "",
        "owner": owner,
        "participants": [author, *others],
        "nodes": data,
        "pins_required": False,
    }


def test_rooms_are_listed_searched_and_stopped(person: Callable[..., Person], rooms: list[AnalyticsDcr]) -> None:
    guest = person(GUEST)
    guest.trusts_software()
    page = guest.goes_to("/")
    published = page.get_by_role("region", name="Published")
    rows = published.get_by_role("row").filter(has_text=NASTY)
    expect(rows).to_have_count(len(rooms))
    expect(rows.filter(has_text="Your data is missing: letter")).to_have_count(len(rooms))
    expect(rows.first).to_contain_text("Provides 1 dataset")
    guest.finds_it_accessible()
    page.get_by_label("Search for rooms and drafts").fill(f"{NASTY} 3")
    expect(rows).to_have_count(1)
    published.get_by_role("link", name=f"{NASTY} 3").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{NASTY} 3")
    # Only its owner may stop it.
    page.get_by_role("button", name="Actions").click()
    expect(page.get_by_role("menuitem", name="Make a draft of it")).to_be_visible()
    expect(page.get_by_role("menuitem", name="Stop the room")).to_have_count(0)

    owner = person(OWNER, color_scheme="dark")
    owner.trusts_software()
    page = owner.goes_to(f"/rooms/{rooms[3].id}")
    act(page, "Stop the room")
    dialog = page.get_by_role("dialog")
    stop = dialog.get_by_role("button", name="Stop the room")
    expect(stop).to_be_disabled()
    owner.finds_it_accessible()
    dialog.get_by_role("textbox").fill("stop")
    stop.click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    page.get_by_role("link", name="Clean rooms").click()
    expect(page.get_by_role("row").filter(has_text=f"{NASTY} 3")).to_contain_text("Stopped")
    owner.finds_it_accessible()


def test_a_draft_of_a_room_is_exported_and_imported(
    person: Callable[..., Person], rooms: list[AnalyticsDcr], tmp_path: Path
) -> None:
    guest = person(GUEST)
    guest.trusts_software()
    page = guest.goes_to(f"/rooms/{rooms[0].id}")
    act(page, "Make a draft of it")
    expect(page).to_have_url(re.compile("/drafts/"))
    act(page, "Rename and describe")
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill(f"Mine {NASTY}")
    guest.finds_it_accessible()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Mine {NASTY}")
    with page.expect_download() as saved:
        act(page, "Export configuration")
    exported = json.loads(saved.value.path().read_text())
    assert (exported["title"], exported["owner"]) == (f"Mine {NASTY}", GUEST)
    assert [each["user"] for each in exported["participants"]] == [OWNER, GUEST]
    assert not set(saved.value.suggested_filename) & set('<>"/')

    # It becomes another draft, and takes the place of all that was in one.
    page.get_by_role("link", name="Clean rooms").click()
    new_room(page, "Empty")
    is_kept(page)
    with page.expect_file_chooser() as chooser:
        act(page, "Import configuration")
    chooser.value.set_files({"name": "x.json", "mimeType": "application/json", "buffer": b'{"no": "room"}'})
    expect(page.get_by_role("alert")).to_be_visible()
    (tmp_path / "room.json").write_text(json.dumps(exported))
    with page.expect_file_chooser() as chooser:
        act(page, "Import configuration")
    chooser.value.set_files(tmp_path / "room.json")
    page.get_by_role("button", name="Replace").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Mine {NASTY}")
    is_kept(page)
    act(page, "Duplicate")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Copy of Mine {NASTY}")
    act(page, "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    drafts = page.get_by_role("region", name="Drafts")
    expect(drafts.get_by_role("link", name=NASTY)).to_have_count(2)
    guest.finds_it_accessible()
    page.reload()
    expect(drafts.get_by_role("link", name=NASTY)).to_have_count(2)


def test_what_was_changed_in_two_tabs_is_kept_twice(person: Callable[..., Person]) -> None:
    author = person("tabs@rooms.example")
    author.trusts_software()
    first = author.goes_to("/")
    new_room(first, "Both")
    second = author.context.new_page()
    second.goto(first.url)
    for page, title in ((first, "Mine"), (second, "Also mine")):
        is_kept(page)
        act(page, "Rename and describe")
        page.get_by_role("dialog").get_by_role("textbox", name="Name").fill(title)
        page.get_by_role("button", name="Keep", exact=True).click()
    is_kept(first)
    conflict = second.get_by_role("alert", name="This draft was changed from somewhere else")
    expect(conflict).to_be_visible()
    author.finds_it_accessible(second)
    conflict.get_by_role("button", name="Keep mine as another draft").click()
    expect(second.get_by_role("heading", level=1)).to_have_text("Copy of Also mine")
    is_kept(second)
    # The other one is as the first tab has left it.
    second.get_by_role("link", name="Clean rooms").click()
    second.get_by_role("link", name="Mine", exact=True).click()
    expect(second.get_by_role("heading", level=1)).to_have_text("Mine")
    is_kept(second)


def test_permissions_of_many_people(person: Callable[..., Person], tmp_path: Path) -> None:
    author = person("author@rooms.example")
    author.trusts_software()
    page = author.goes_to("/")
    content = json.dumps(configuration("somebody@else.example", people=50, nodes=100)).encode()
    # A dialog gives the focus back; the second click of a double click doesn't close it.
    page.get_by_role("button", name="New clean room").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("textbox", name="Name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="New clean room")).to_be_focused()
    page.get_by_role("button", name="New clean room").dblclick()
    page.get_by_text("From a file").click()
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(
        {"name": "room.json", "mimeType": "application/json", "buffer": content}
    )
    author.finds_it_accessible()
    page.get_by_role("button", name="Create the draft").click()
    act(page, "Rename and describe")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Actions")).to_be_focused()
    page.get_by_role("tab", name="Permissions").click()
    table = page.get_by_role("table", name="Participants")
    expect(table.get_by_role("row")).to_have_count(53)
    expect(table.get_by_role("row").filter(has_text=author.email)).to_contain_text("Owner")
    author.finds_it_accessible()

    # What is no address is said, and nobody comes in.
    page.get_by_label("Add people").fill(f"new@rooms.example, {NASTY}")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Not an address")).to_be_visible()
    page.get_by_label("Add people").fill("New@rooms.example person1@partner.example")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Already there: person1@partner.example")).to_be_visible()

    # By keyboard alone: a role is found, and given.
    page.get_by_label("Search in the permissions").fill("new@rooms")
    expect(table.get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Change what new@rooms.example may do").press("Enter")
    page.get_by_label("Search: Provides data for").fill("data_77")
    page.get_by_role("checkbox", name="data_77").press("Space")
    author.finds_it_accessible()
    page.get_by_role("button", name="Done").press("Enter")
    expect(table.get_by_role("row").nth(1)).to_contain_text("data_77")
    page.get_by_label("Search in the permissions").fill("data_77")
    page.get_by_text("By data and computation").click()
    expect(page.get_by_role("table", name="Data and computations").get_by_role("row")).to_have_count(2)
    author.finds_it_accessible()

    page.get_by_role("button", name="Advanced: pinned keys").click()
    page.get_by_label("Keys of new@rooms.example").fill("abc")
    expect(page.get_by_text("Not a key of 64 hexadecimal digits")).to_be_visible()
    page.get_by_label("Keys of new@rooms.example").fill("ab" * 32)
    page.get_by_role("button", name="Add this browser's").click()
    page.get_by_role("switch", name="Only pinned keys may enter").check()
    expect(page.get_by_text("Without a key, and so shut out")).to_be_visible()
    author.finds_it_accessible()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    author.finds_it_accessible()
    is_kept(page)
    page.reload()
    expect(page.get_by_role("table", name="Participants").get_by_text("Pinned")).to_have_count(2)


def test_datasets_are_uploaded_downloaded_and_deleted(
    person: Callable[..., Person], installation: Installation, tmp_path: Path
) -> None:
    room = publish(installation, NASTY, KEEPER)
    keeper = person(KEEPER, recorded=True)
    keeper.trusts_software()
    page = keeper.goes_to("/datasets")
    content = b"a,letter\n" * 100_000
    (tmp_path / f"{NASTY}.csv").write_bytes(content)
    page.get_by_role("button", name="Upload a file").click()
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(tmp_path / f"{NASTY}.csv")
    page.get_by_label("Description").fill(NASTY)
    keeper.finds_it_accessible()
    page.get_by_role("button", name="Encrypt and upload").click()
    # It goes on while one looks at other pages.
    page.get_by_role("link", name="Clean rooms").click()
    page.get_by_role("link", name="Datasets").click()
    expect(page.get_by_text(f"Stored: {NASTY}.csv")).to_be_visible()
    row = page.get_by_role("table", name="Datasets").get_by_role("row").filter(has_text="900 KB")
    expect(row).to_have_count(1)
    with page.expect_download() as saved:
        row.get_by_role("button", name="Download").click()
    assert saved.value.path().read_bytes() == content
    assert not set(saved.value.suggested_filename) & set('<>"/')
    # Nothing of it, nor what it is called, has left the browser readable.
    assert keeper.recorder is not None
    heard = b"".join(keeper.recorder.heard())
    assert content[:90] not in heard
    assert NASTY.encode() not in heard

    # Where it is attached, deleting it takes another word.
    page.goto(f"{keeper.url}/rooms/{room.id}")
    page.get_by_role("button", name="Provide data: letter").first.click()
    page.get_by_role("tab", name="Use a dataset").click()
    page.get_by_role("radio", name=NASTY).click()
    page.get_by_role("button", name="Attach").click()
    page.get_by_role("button", name="These are right: go on").click()
    expect(page.get_by_role("button", name="Remove data: letter")).to_be_visible()
    page.get_by_role("link", name="Datasets").click()
    expect(row.get_by_role("link", name=NASTY)).to_be_visible()
    keeper.finds_it_accessible()
    row.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Rooms are using it")
    delete = dialog.get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()
    keeper.finds_it_accessible()
    dialog.get_by_role("checkbox").check()
    delete.click()
    expect(page.get_by_text("You have none yet.")).to_be_visible()
