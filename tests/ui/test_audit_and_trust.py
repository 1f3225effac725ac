"""What has happened in a room, and what was verified about it: as one participant sees it in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation, attach

from .people import Person

OWNER, GUEST, STRANGER = "owner@audit.example", "guest@audit.example", "stranger@audit.example"
NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def room(installation: Installation) -> AnalyticsDcr:
    """Made with the SDK, by somebody on another machine."""
    client = installation.client(OWNER)
    builder = AnalyticsDcrBuilder(client=client).with_name(NASTY).with_owner(OWNER)
    builder.add_node_definition(RawDataNodeDefinition(name="letter", is_required=True))
    builder.add_node_definition(PythonComputeNodeDefinition(name="shout", script="print()", dependencies=["letter"]))
    builder.add_participant(OWNER, data_owner_of=["letter"])
    builder.add_participant(GUEST, analyst_of=["shout"])
    room = client.publish_analytics_dcr(builder.build())
    attach(room, "letter", b"some data")
    return room


def test_the_log_is_verified_while_it_is_read(person: Callable[..., Person], room: AnalyticsDcr) -> None:
    guest = person(GUEST)
    guest.trusts_software()
    page = guest.goes_to(f"/rooms/{room.id}/audit")
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"Verified: all \d+ events"))
    table = page.get_by_role("table")
    expect(table).to_contain_text("Room has been published")
    expect(table).to_contain_text("Dataset has been attached to letter")
    guest.finds_it_accessible()

    # What is looked for is found; reading is in the log itself, for everybody to see.
    page.get_by_label("Find").fill("attached LETTER")
    expect(table.get_by_role("row")).to_have_count(2)
    page.get_by_label("Find").fill("")
    before = len(room.retrieve_audit_log().splitlines())
    # What others do meanwhile is told, and read when the reader wants to.
    expect(page.get_by_role("status").filter(has_text="more event")).to_be_visible()
    page.get_by_role("button", name="Read again").click()
    expect(page.get_by_role("status").filter(has_text="Nothing has happened since")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(f"all {before + 1} events")

    # It is saved as the SDK has it.
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    text = saved.value.path().read_text()
    assert text == "".join(room.retrieve_audit_log().splitlines(keepends=True)[: before + 1])
    assert "/" not in saved.value.suggested_filename


def test_what_was_verified_and_whose_keys_there_are(person: Callable[..., Person], room: AnalyticsDcr) -> None:
    guest = person(GUEST, color_scheme="dark")
    guest.trusts_software()
    page = guest.goes_to(f"/rooms/{room.id}/trust")
    expect(page.get_by_role("heading", level=1)).to_have_text(NASTY)
    expect(page.get_by_role("alert").filter(has_text="Software enclave: no protection")).to_be_visible()
    checks = page.get_by_role("region", name="What this browser has verified")
    expect(checks.get_by_label("Verified")).to_have_count(7)
    expect(checks).to_contain_text("insecure-software")
    keys = page.get_by_role("region", name="Whose devices speak for whom")
    expect(keys.get_by_role("row").filter(has_text=GUEST).filter(has_text="This browser")).to_be_visible()
    expect(keys.get_by_role("row").filter(has_text=OWNER)).to_be_visible()
    guest.finds_it_accessible()


def test_a_stranger_sees_nothing(person: Callable[..., Person], room: AnalyticsDcr) -> None:
    stranger = person(STRANGER)
    stranger.trusts_software()
    page = stranger.goes_to(f"/rooms/{room.id}/audit")
    expect(page.get_by_role("alert")).to_contain_text("no such room")
    expect(page.get_by_text("some data")).to_have_count(0)


def test_a_lost_device_is_put_out(person: Callable[..., Person], room: AnalyticsDcr) -> None:
    # Setting their password, which both begin with, ends sessions.
    old, new = (person(GUEST, signed_in=False) for _ in range(2))
    for each in (old, new):
        each.signs_in()
        each.trusts_software()
        each.goes_to(f"/rooms/{room.id}/trust")
        expect(each.page.get_by_text("This browser", exact=True)).to_be_visible()
    of_old, of_new = (each.page.get_by_role("region", name="Whose devices speak for whom") for each in (old, new))
    mine = of_new.get_by_role("row").filter(has_text=GUEST)
    count = mine.count()
    prefix = of_old.get_by_role("row").filter(has_text="This browser").locator("code").inner_text().rstrip("…")
    new.page.get_by_role("button", name=f"End the key {prefix}").click()
    new.page.get_by_role("dialog").get_by_role("button", name="End the key").click()
    expect(mine).to_have_count(count - 1)
    old.page.reload()
    expect(old.page.get_by_role("alert")).to_contain_text("This device's key was ended in this room")
