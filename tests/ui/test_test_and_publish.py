"""Testing a draft, and publishing what has passed: once, whatever happens meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from cloister.analytics import (
    Column,
    FormatType,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    TableDataNodeDefinition,
)
from cloister.sdk.definitions.base import NodeDefinition
from tests.installation import Installation

from .drafts import configuration, imports
from .people import Person

AUTHOR, GUEST, HASTY = "author@publish.example", "guest@publish.example", "hasty@publish.example"
NASTY = "</script><img src=x onerror=alert(1)>"
COUNT = f"""
text = open("/input/letter").read()
print("\\x1b[31m{NASTY}", len(text))
open("/output/count.txt", "w").write(str(len(text)))
"""
BROKEN = "print('before')\nraise ValueError('wrong')\n"


def python(name: str, script: str, *dependencies: str) -> PythonComputeNodeDefinition:
    return PythonComputeNodeDefinition(name=name, script=script, dependencies=dependencies)


def small_room(title: str, owner: str) -> dict[str, Any]:
    letter = RawDataNodeDefinition(name="letter", is_required=True)
    return configuration(title, owner, [letter, python("count", COUNT, "letter")])


def to_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


@pytest.mark.slow
def test_a_draft_is_tested_until_it_passes(person: Callable[..., Person]) -> None:
    author = person(AUTHOR)
    author.trusts_software()
    columns = [Column(FormatType.STRING, "name", False), Column(FormatType.INTEGER, NASTY, False)]
    nodes: list[NodeDefinition] = [
        TableDataNodeDefinition(name="people", columns=columns, is_required=True),
        RawDataNodeDefinition(name="letter", is_required=True),
        python("count", COUNT, "letter"),
        python("broken", BROKEN, "letter"),
        python("after", "print()", "broken"),
    ]
    path = imports(author, configuration(NASTY, AUTHOR, nodes))

    # Data to test with: a dataset, which is taken as it is, or a file that is chosen now, of which a dataset is made.
    page = author.goes_to("/datasets")
    page.get_by_role("button", name="Upload a file").click()
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": b"ann,1\nbob,none\n"}
    )
    page.get_by_role("button", name="Encrypt and upload").click()
    expect(page.get_by_text("Stored: people.csv")).to_be_visible()
    page = author.goes_to(f"{path}/test")
    page.get_by_role("combobox", name="Test data of people").click()
    page.get_by_role("option", name=re.compile("people.csv")).click()
    expect(page.get_by_role("combobox", name="Test data of people")).to_have_value(re.compile("people.csv"))
    page.get_by_label("File to test letter with").set_input_files(
        {"name": "letter.txt", "mimeType": "text/plain", "buffer": b"Dear all"}
    )
    expect(page.get_by_role("combobox", name="Test data of letter")).to_have_value(re.compile("letter.txt"))
    author.finds_it_accessible()

    page.get_by_role("button", name="Test all computations").click()
    # It goes on while its author looks elsewhere.
    to_tab(page, "Picture")
    to_tab(page, "Test")
    expect(page.get_by_text("Not all of it has passed")).to_be_visible()
    expect(page.get_by_text("1 passed, 2 failed, 1 skipped")).to_be_visible()

    # What is wrong with a table is said by row and column; what has failed with the lines that know why.
    finding = page.get_by_role("row").filter(has_text="whole number")
    expect(finding).to_contain_text(NASTY)
    expect(finding.get_by_role("cell").first).to_have_text("2")
    expect(page.get_by_role("region", name="What went wrong in broken")).to_contain_text("ValueError: wrong")
    expect(page.get_by_role("button", name="after")).to_contain_text("skipped: it needs broken, which failed")
    page.get_by_role("button", name="count").click()
    console = page.get_by_role("region", name="Console of count")
    expect(console).to_have_text(f"{NASTY} 8")
    with page.expect_download() as saved:
        page.get_by_role("button", name="count.txt").click()
    assert saved.value.suggested_filename == "count.txt"
    assert saved.value.path().read_bytes() == b"8"
    author.finds_it_accessible()
    author.takes_picture("test", full_page=True)

    # Whoever looks at publishing is told.
    to_tab(page, "Encrypt and publish")
    expect(page.get_by_text("It has not passed its test")).to_be_visible()
    author.finds_it_accessible()


@pytest.mark.slow
def test_a_test_can_be_cancelled(person: Callable[..., Person]) -> None:
    author = person(AUTHOR)
    author.trusts_software()
    slow = "import time\ntime.sleep(300)\n"
    path = imports(author, configuration("Slow", AUTHOR, [python("slow", slow), python("after", "print()", "slow")]))
    page = author.goes_to(f"{path}/test")
    # Whoever clicks twice means to begin it.
    page.get_by_role("button", name="Test all computations").dblclick()
    expect(page.get_by_role("button", name=re.compile("^slow.* runs"))).to_be_visible()
    expect(page.get_by_role("button", name="after")).to_contain_text("waits for what it needs")
    page.get_by_role("button", name="Cancel the test").click()
    expect(page.get_by_text("You have cancelled the test")).to_be_visible()
    expect(page.get_by_role("button", name="slow")).to_contain_text("was not run to its end")


@pytest.mark.slow
def test_what_has_passed_is_published_and_what_was_changed_is_shown(
    person: Callable[..., Person], installation: Installation
) -> None:
    author = person(AUTHOR, color_scheme="dark")
    author.trusts_software()
    room = small_room(NASTY, AUTHOR)
    room["participants"].append({"user": GUEST, "data_owner_of": [], "analyst_of": ["count"], "keys": []})
    path = imports(author, room)
    page = author.goes_to(f"{path}/publish")
    expect(page.get_by_text("It was not tested")).to_be_visible()
    page.get_by_role("link", name="Test all computations").click()
    page.get_by_role("button", name="Test all computations").click()
    expect(page.get_by_text("All of it has passed")).to_be_visible()

    # Something is changed: what, is shown before it is published.
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Rename and describe").click()
    page.get_by_role("textbox", name="Description").fill(f"Counts letters {NASTY}")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Changed since it was tested")).to_be_visible()
    to_tab(page, "Encrypt and publish")
    expect(page.get_by_text("It was changed since it was tested", exact=True)).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="differs")).to_contain_text("Description: nothing")
    author.finds_it_accessible()
    page.get_by_role("link", name="Test all computations").click()
    page.get_by_role("button", name="Test all computations").click()
    expect(page.get_by_text("Changed since it was tested")).to_have_count(0)
    expect(page.get_by_text("All of it has passed")).to_be_visible()

    to_tab(page, "Encrypt and publish")
    expect(page.get_by_text("It has passed its test")).to_be_visible()
    immutable = page.get_by_role("region", name="What becomes immutable")
    expect(immutable).to_contain_text("insecure-software")
    expect(immutable.get_by_role("row").filter(has_text=GUEST)).to_contain_text("count")
    immutable.get_by_role("button", name="Open all").last.click()
    expect(immutable.get_by_role("textbox", name="main.py of count")).to_contain_text("/output/count.txt")
    author.takes_picture("publish", full_page=True)
    page.get_by_role("button", name="Encrypt and publish").click()
    page.get_by_role("dialog").get_by_role("button", name="Encrypt and publish").click()
    page.get_by_role("button", name="Delete the draft, and go to the room").click()

    # The room is there, for others too; the draft is not.
    expect(page).to_have_url(re.compile("/rooms/[0-9a-f]{64}"))
    room_id = page.url.split("/rooms/")[1][:64]
    assert [each["id"] for each in installation.client(GUEST).get_data_room_descriptions()] == [room_id]
    page.goto(f"{author.url}/rooms/{room_id}/definition?node=count")
    expect(page.get_by_text("Verified in this browser")).to_be_visible()
    expect(page.get_by_text(room_id)).to_be_visible()
    expect(page.get_by_role("textbox", name="main.py of count")).to_contain_text("/output/count.txt")
    expect(page.get_by_text(f"Counts letters {NASTY}")).to_be_visible()
    author.finds_it_accessible()
    page.goto(f"{author.url}{path}")
    expect(page.get_by_text("You have no such draft")).to_be_visible()


@pytest.mark.slow
def test_a_reload_in_the_middle_makes_no_second_room(person: Callable[..., Person], installation: Installation) -> None:
    hasty = person(HASTY)
    hasty.trusts_software()
    path = imports(hasty, small_room("Once", HASTY))
    page = hasty.goes_to(f"{path}/publish")

    # The enclave has it; the hub's answer to the next request doesn't come before the page is gone.
    entering = re.compile("/v1/rooms/[0-9a-f]{64}$")
    held: list[Route] = []
    page.route(entering, lambda route: route.continue_() if held else held.append(route))
    page.get_by_role("button", name="Encrypt and publish").click()
    with page.expect_request(entering):
        page.get_by_role("button", name="Encrypt and publish all the same").dblclick()
    expect(page.get_by_role("status").filter(has_text="sent to the enclave")).to_be_visible()
    page.reload()
    expect(page.get_by_text("was begun, and not brought to an end")).to_be_visible()
    hasty.finds_it_accessible()
    page.get_by_role("button", name="Go on publishing").click()
    page.get_by_role("button", name="Keep it, and go to the room").click()
    expect(page).to_have_url(re.compile("/rooms/[0-9a-f]{64}"))
    assert len(installation.client(HASTY).get_data_room_descriptions()) == 1

    # The draft knows that it was published, and where that is.
    page.goto(f"{hasty.url}{path}/publish")
    expect(page.get_by_text("This draft was published already")).to_be_visible()
    page.get_by_role("link", name="Open the room").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Once")


def test_what_was_most_likely_forgotten_is_said_before(person: Callable[..., Person]) -> None:
    author = person(AUTHOR)
    author.trusts_software()
    room = small_room("Nobody's", AUTHOR)
    room["participants"][0].update(data_owner_of=[], analyst_of=[])
    path = imports(author, room)
    page = author.goes_to(f"{path}/publish")
    gaps = page.get_by_role("alert").filter(has_text="Is that meant to be so?")
    expect(gaps).to_contain_text("Nobody may provide data for letter.")
    expect(gaps).to_contain_text("Nobody may run count.")
    author.finds_it_accessible()
    page.get_by_role("button", name="Encrypt and publish").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nobody may provide data for letter. Nobody may run count.")
    dialog.get_by_role("button", name="Cancel").click()
    gaps.get_by_role("link", name="Go to the permissions").click()
    expect(page).to_have_url(re.compile("/permissions$"))


def test_what_breaks_a_rule_is_said_before(person: Callable[..., Person]) -> None:
    author = person(AUTHOR)
    author.trusts_software()
    room = small_room("Broken", AUTHOR)
    room["nodes"][1]["name"] = NASTY
    room["pins_required"] = True
    path = imports(author, room)
    page = author.goes_to(f"{path}/publish")
    problems = page.get_by_role("alert").filter(has_text="It can't be published like this")
    expect(problems).to_contain_text("requires pinned keys")
    expect(problems).to_contain_text(NASTY)
    expect(page.get_by_role("button", name="Encrypt and publish")).to_be_disabled()
    author.finds_it_accessible()
    problems.get_by_role("listitem").filter(has_text=NASTY).get_by_role("link").click()
    expect(page).to_have_url(re.compile("/computations\\?node=count$"))
