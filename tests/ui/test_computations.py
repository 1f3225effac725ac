"""Writing computations in Chromium: one of each kind, with what they find; what others have written does nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from playwright.sync_api import Locator, Page, expect

from cloister.analytics import (
    Column,
    FormatType,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    SqlComputeNodeDefinition,
    TableDataNodeDefinition,
)
from cloister.sdk.definitions.base import NodeDefinition

from .drafts import configuration, imports
from .people import Person

AUTHOR, READER = "author@computations.example", "reader@computations.example"
NASTY = '"); import os #<img src=x onerror=alert(1)>'
UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u200b\u200c\u200d\u202a\u202b\u202c\u2060\u2061\u2062\u2063\u2064\u2068\u2800\u3164\ufe0f\uffa0"
    "\U000e0001\U000e0061\U000e007f\U000e0100"
)
MANY = 100


def people(name: str, *columns: str, required: bool = True) -> TableDataNodeDefinition:
    return TableDataNodeDefinition(name, [Column(FormatType.EMAIL, each, False) for each in columns], required)


def opened(person: Person, nodes: Sequence[NodeDefinition], room: dict[str, Any] | None = None) -> Page:
    """The computations of a draft with these nodes."""
    person.trusts_software()
    path = imports(person, room or configuration("Computations", person.email, nodes))
    return person.goes_to(f"{path}/computations")


def adds(page: Page, kind: str, name: str) -> None:
    page.get_by_role("button", name="Add computation").click()
    page.get_by_role("menuitem", name=re.compile(f"^{kind} [A-Z]")).click()
    dialog = page.get_by_role("dialog", name=f"Add computation: {kind}")
    dialog.get_by_role("textbox", name="Name").fill(name)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(listed(page, name)).to_have_attribute("aria-current", "true")


def listed(page: Page, name: str) -> Locator:
    return page.get_by_role("navigation", name="Computations").get_by_role("button", name=name)


def editor(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=label, exact=True)


def undoes_all(text: Locator) -> None:
    """On a slow machine, each letter that was typed is something to undo."""
    for _ in range(10):
        text.press("Control+z")


def saved(page: Page) -> None:
    expect(page.get_by_text("Kept in your vault")).to_be_visible()


def test_one_computation_of_each_kind(person: Callable[..., Person]) -> None:
    author = person(AUTHOR)
    letter = RawDataNodeDefinition("letter", is_required=False)
    page = opened(author, [people("patients", "e-mail", "second"), people("sub scribers-2", "mail"), letter])
    expect(page.get_by_text("Nothing is computed yet")).to_be_visible()

    # Python: a snippet, which mounts what it reads; a static file; who may run it.
    adds(page, "Python", "stay")
    expect(page.get_by_text("Problem")).to_be_visible()
    editor(page, "Main script").press_sequentially("for each in range(3):\nprint(each)\n")
    page.get_by_role("button", name="Insert the snippet for patients").click()
    expect(page.get_by_role("checkbox", name="Mount patients")).to_be_checked()
    page.get_by_role("button", name="Add a static file").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("lib/help me.py")
    page.keyboard.press("Enter")
    editor(page, "lib/help me.py").fill("VALUE = 1\n")
    page.get_by_role("combobox", name="Who may run it").click()
    page.get_by_role("option", name=AUTHOR).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Limits and image").click()
    page.get_by_role("textbox", name="Memory").fill("1.5 GiB")
    page.get_by_role("textbox", name="Time").fill("soon")
    expect(page.get_by_text("For example 1 h")).to_be_visible()
    page.get_by_role("textbox", name="Time").fill("90 min")
    page.get_by_role("tab", name="Available in this image").click()
    page.get_by_role("textbox", name="Search libraries").fill("pandas")
    expect(page.get_by_text("2.1.1")).to_be_visible()
    author.finds_it_accessible()

    adds(page, "R", "r-1")
    page.get_by_role("button", name="Insert the snippet for letter").click()
    expect(editor(page, "Main script")).to_contain_text('readBin("/input/letter"')

    adds(page, "SQL", "by mail")
    expect(page.get_by_role("checkbox", name="Mount letter")).to_be_disabled()
    page.get_by_role("button", name="Insert the snippet for sub scribers-2").click()
    page.get_by_role("switch", name="Leave out small groups").check()
    editor(page, "Statement").press_sequentially("\nNATURAL JOIN ")
    page.get_by_role("button", name="Insert the snippet for patients").click()
    author.finds_it_accessible()
    adds(page, "SQLite", "lite")
    editor(page, "Statement").fill('SELECT count(*) FROM "by mail"')
    page.get_by_role("checkbox", name="Mount by mail").check()

    adds(page, "Synthetic data", "like them")
    page.get_by_label("Source table").select_option(label="patients (Table)")
    page.get_by_label("Values of e-mail").select_option(label="Made up: e-mail")
    page.get_by_role("checkbox", name="second", exact=True).uncheck()
    page.get_by_role("textbox", name="The room's privacy budget").fill("2")
    author.finds_it_accessible()
    adds(page, "Matching", "matching")
    page.get_by_label("First table", exact=True).select_option(label="patients (Table)")
    page.get_by_label("Second table", exact=True).select_option(label="sub scribers-2 (Table)")
    page.get_by_label("Column of patients").select_option("e-mail")
    page.get_by_label("Column of sub scribers-2").select_option("mail")
    page.get_by_role("checkbox", name="Upper and lower case").check()
    expect(page.get_by_text("patients loses 2 of 2")).to_be_visible()
    author.finds_it_accessible()
    adds(page, "Preview", "look")
    page.get_by_label("What it shows").select_option(label="by mail (SQL)")
    page.get_by_role("textbox", name="How much").fill("2 KiB")
    adds(page, "Python environment", "packages")
    editor(page, "Requirements").fill("polars>=1")
    author.finds_it_accessible()
    listed(page, "stay").click()
    page.get_by_role("combobox", name="Python environment").select_option("packages")
    saved(page)

    # All of it is what was kept.
    page.reload()
    expect(listed(page, "stay")).to_have_attribute("aria-current", "true")
    expect(page.get_by_text("Problem")).to_be_hidden()
    author.finds_it_accessible()
    author.takes_picture("computations")
    with page.expect_download() as download:
        page.get_by_role("button", name="Actions").click()
        page.get_by_role("menuitem", name="Export").click()
    kept = {each["name"]: each for each in json.loads(download.value.path().read_text())["nodes"]}
    stay = kept["stay"]
    assert stay["script"] == (
        "for each in range(3):\n    print(each)\n    from cloister_util import read_tabular_data\n\n"
        '    patients = read_tabular_data("/input/patients")'
    )
    assert (stay["dependencies"], stay["environment"]) == (["patients"], "packages")
    assert stay["files"] == [{"name": "lib/help me.py", "content": "VALUE = 1\n"}]
    assert (stay["limits"]["memory_bytes"], stay["limits"]["wall_seconds"]) == (1536 * 1024**2, 5400)
    assert kept["r-1"]["dependencies"] == ["letter"]
    assert kept["by mail"]["statement"] == 'SELECT "mail"\nFROM "sub scribers-2"\nNATURAL JOIN "patients"'
    assert (kept["by mail"]["minimum_rows"], kept["lite"]["dependencies"]) == (10, ["by mail"])
    [made] = kept["like them"]["columns"]
    assert (made["index"], made["type"], made["mask"], made["mask_type"]) == (0, "EMAIL", True, "email")
    assert json.loads(kept["matching"]["query"]) == {
        "==": [{"lower": {"var": "0.e-mail"}}, {"lower": {"var": "1.mail"}}]
    }
    assert kept["matching"]["paths"] == ["patients/dataset.csv", "sub scribers-2/dataset.csv"]
    assert (kept["look"]["dependency"], kept["look"]["quota_bytes"]) == ("by mail", 2048)
    assert kept["packages"]["requirements"] == "polars>=1"


def test_what_others_have_written_and_many_computations(person: Callable[..., Person]) -> None:
    reader = person(READER, color_scheme="dark")
    scripts = [
        PythonComputeNodeDefinition(f"script {number}", "value = 1\n" * 200, dependencies=["letter"])
        for number in range(MANY // 2)
    ]
    queries = [SqlComputeNodeDefinition(f"query {number}", "SELECT 1", ["people"]) for number in range(MANY // 2)]
    nodes = [people("people", "mail"), RawDataNodeDefinition("letter", is_required=True), *scripts, *queries]
    room = configuration("Many", READER, nodes)
    room["nodes"][1]["name"] = room["nodes"][2]["name"] = NASTY
    room["nodes"][2]["files"] = [{"name": NASTY, "content": NASTY}]
    room["nodes"][2]["script"] = f"value = 1  # {UNSEEN}"
    page = opened(reader, nodes, room)

    # What nobody would see is shown, letter by letter.
    main = editor(page, "Main script")
    expect(main.locator(".cm-specialChar")).to_have_count(len(UNSEEN))
    expect(main.get_by_title("0x3164")).to_be_visible()
    expect(main.get_by_title("0xe0061")).to_be_visible()

    # It is text, in quotes.
    expect(listed(page, NASTY)).to_be_visible()
    expect(page.get_by_role("tab", name=NASTY)).to_be_visible()
    main.fill("")
    page.get_by_role("button", name=f"Insert the snippet for {NASTY}").first.click()
    expect(main).to_contain_text(f'open("/input/{NASTY.replace(chr(34), chr(92) + chr(34))}", "rb")')
    assert page.evaluate("document.images.length") == 1
    main.press("Control+End")
    main.press_sequentially('\nopen("/in')
    expect(page.get_by_role("option", name=f"/input/{NASTY}")).to_be_visible()
    main.press("Escape")
    reader.finds_it_accessible()

    # Nobody is caught in it: Escape, then Tab, leaves; what was done can be undone where it was done.
    main.press("Tab")
    expect(main).to_be_focused()
    main.press("Escape")
    main.press("Tab")
    expect(main).not_to_be_focused()
    listed(page, "query 49").click()
    editor(page, "Statement").press_sequentially(" + 1")
    listed(page, "script 1").first.click()
    main.press_sequentially("# here")
    undoes_all(main)
    expect(main).not_to_contain_text("# here")
    listed(page, "query 49").click()
    expect(editor(page, "Statement")).to_contain_text("+ 1")
    undoes_all(editor(page, "Statement"))
    expect(editor(page, "Statement")).not_to_contain_text("+ 1")

    # It is found again, and removed from what reads it.
    page.get_by_role("textbox", name="Find inputs").fill("script 4")
    expect(page.get_by_role("checkbox", name=re.compile("^Mount script"))).to_have_count(11)
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(listed(page, "query 49")).to_be_hidden()
