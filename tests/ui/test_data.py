"""The data of a draft: tables with their columns, files, and who provides them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from cloister.analytics import (
    Column,
    FormatType,
    MaskType,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    SyntheticDataComputeNodeDefinition,
    SyntheticNodeColumn,
    TableDataNodeDefinition,
)

from .drafts import configuration, imports
from .people import Person

OWNER = "dana@data.example"
NASTY = "<img src=x onerror=alert(1)>"
SCHEMA = f"""ID;Name;{NASTY};Born;Mail;Weight;=1+1
1;Zo\u00eb;a;31.12.1980;zoe@example.com;70,5;x
2;;b;1.2.1990;bob@example.com;80,25;y
"""


def exported(page: Page) -> dict[str, Any]:
    """The draft, as its author exports it."""
    page.get_by_role("button", name="Actions").click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name=re.compile("Export")).click()
    configuration: dict[str, Any] = json.loads(saved.value.path().read_text())
    return configuration


def test_a_table_and_a_file_are_described(person: Callable[..., Person], tmp_path: Path) -> None:
    dana = person(OWNER)
    dana.trusts_software()
    path = imports(dana, configuration("Study", OWNER, []))
    page = dana.goes_to(f"{path}/data")
    expect(page.get_by_text("Nothing goes in yet")).to_be_visible()
    page.get_by_role("button", name="Add table").click()
    name = page.get_by_role("dialog").get_by_label("Name")
    name.fill("1 patients")
    expect(page.get_by_role("dialog")).to_contain_text("Start with a letter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Add", exact=True)).to_be_disabled()
    name.fill("patients")
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="Who provides it").click()
    page.get_by_role("option", name=OWNER).click()
    page.keyboard.press("Escape")

    # Columns come from a file; its rows go nowhere.
    page.get_by_role("button", name="Import from a file").click()
    dialog = page.get_by_role("dialog", name="Columns of patients, from a file")
    sent = len(dana.requests)
    dialog.locator("input[type=file]").set_input_files(
        {"name": "sample.csv", "mimeType": "text/csv", "buffer": SCHEMA.encode()}
    )
    taken = dialog.get_by_role("table", name="Columns that are taken")
    expect(taken.get_by_role("row")).to_have_count(8)
    expect(taken).to_contain_text(NASTY)
    dana.finds_it_accessible()
    dialog.get_by_role("button", name="Use these 7 columns").click()
    assert not [each for each in dana.requests[sent:] if "Zo" in (each.post_data or "")]

    # They are changed, moved and removed by keyboard alone.
    types = {"ID": "INTEGER", "Name": "STRING", "Born": "DATE_ISO8601", "Mail": "EMAIL", "Weight": "FLOAT"}
    for column, kind in types.items():
        expect(page.get_by_role("combobox", name=f"Type of {column}", exact=True)).to_have_value(kind)
    page.get_by_role("button", name="Add combination").click()
    page.get_by_role("combobox", name="Columns of combination 1").click()
    for column in ("Mail", "ID"):
        page.get_by_role("option", name=column, exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Move Mail: drag, or arrow keys").focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(page.get_by_role("button", name="Move Mail: drag, or arrow keys")).to_be_focused()
    expect(page.get_by_role("textbox", name="Name of column 2")).to_have_value("Mail")
    page.get_by_role("button", name="Remove =1+1").click()
    page.get_by_role("checkbox", name="Hash Mail in the enclave").check()
    page.get_by_role("checkbox", name="Allow empty cells in Weight").check()
    page.get_by_role("button", name="Range of Weight: Any").click()
    page.get_by_role("combobox", name="Lower bound of Weight: sign").select_option(">")
    page.get_by_role("textbox", name="Lower bound of Weight").fill("-0.5")
    page.get_by_role("textbox", name="Upper bound of Weight").fill("500")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Range of Weight: > -0.5, \u2264 500")).to_be_focused()
    page.get_by_role("button", name="Add column").click()
    expect(page.get_by_role("textbox", name="Name of column 7")).to_be_focused()
    page.keyboard.type("ID")
    expect(page.get_by_role("alert").filter(has_text="Two columns are called")).to_be_visible()
    page.get_by_role("textbox", name="Name of column 7").fill("note")
    expect(page.get_by_role("alert").filter(has_text="Two columns are called")).to_have_count(0)
    page.get_by_role("switch", name="Drop invalid rows").check()
    dana.finds_it_accessible()
    dana.takes_picture("draft-data")

    page.get_by_role("button", name="Add file").click()
    page.get_by_role("dialog").get_by_label("Name").fill("notes")
    page.keyboard.press("Enter")
    page.get_by_role("switch", name="Required").uncheck()
    expect(page.get_by_text("Kept in your vault")).to_be_visible()
    page.reload()
    expect(page.get_by_role("switch", name="Required")).not_to_be_checked()
    table, file = exported(page)["nodes"]
    assert file == {"kind": "raw_data", "id": "notes", "name": "notes", "required": False}
    assert [each["name"] for each in table["columns"]] == ["ID", "Mail", "Name", NASTY, "Born", "Weight", "note"]
    assert table["columns"][1] == {"name": "Mail", "type": "EMAIL", "nullable": False, "hashed": True}
    assert table["columns"][5]["range"] == {"greater_than": -0.5, "less_than_equals": 500}
    assert table["unique"] == [[1, 0]]
    assert table["drop_invalid_rows"] is True


def test_what_depends_on_data_follows_it(person: Callable[..., Person]) -> None:
    dana = person(OWNER, color_scheme="dark")
    dana.trusts_software()
    columns = [Column(FormatType.STRING, name, True) for name in ("a", "b", "c")]
    made = SyntheticNodeColumn(FormatType.STRING, 2, MaskType.GENERIC_STRING, False)
    nodes = [
        TableDataNodeDefinition("people", columns, True),
        RawDataNodeDefinition("notes", False),
        SyntheticDataComputeNodeDefinition("like people", [made], "people", 1.0),
        PythonComputeNodeDefinition("count", "print()", dependencies=["people", "notes"]),
    ]
    path = imports(dana, configuration("Study", OWNER, nodes))
    page = dana.goes_to(f"{path}/data?node=people")
    page.get_by_role("textbox", name="Name", exact=True).fill("persons")
    page.get_by_role("button", name="Move c up").click()
    expect(page.get_by_role("textbox", name="Name of column 2")).to_have_value("c")

    # Removing asks, and tells what reads it.
    page.get_by_role("navigation", name="Data").get_by_role("button", name="notes").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    dialog = page.get_by_role("dialog", name="Remove notes?")
    expect(dialog).to_contain_text("count")
    dana.finds_it_accessible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("navigation", name="Data").get_by_role("listitem")).to_have_count(2)
    page.get_by_role("button", name="Remove", exact=True).click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("navigation", name="Data").get_by_role("listitem")).to_have_count(1)

    table, synthetic, script = exported(page)["nodes"]
    assert (table["id"], table["name"]) == ("people", "persons")
    assert synthetic["columns"][0]["index"] == 1
    assert script["dependencies"] == ["people"]


def test_a_tab_is_as_it_was_left(person: Callable[..., Person]) -> None:
    owner = "lea@data.example"
    lea = person(owner)
    lea.trusts_software()
    letters = [RawDataNodeDefinition(name=f"letter {number}", is_required=True) for number in range(3)]
    page = lea.goes_to(f"{imports(lea, configuration('Letters', owner, letters))}/data")
    page.get_by_role("navigation", name="Data").get_by_role("button", name="letter 2").click()
    page.get_by_role("tab", name="Computations").click()
    expect(page.get_by_text("Nothing is computed yet")).to_be_visible()
    page.get_by_role("tab", name="Data").click()
    expect(page.get_by_role("navigation", name="Data").locator("[aria-current]")).to_have_text("letter 2")


def test_a_table_is_described_by_names_alone(person: Callable[..., Person]) -> None:
    owner = "nora@data.example"
    nora = person(owner)
    nora.trusts_software()
    nodes = [TableDataNodeDefinition("people", [Column(FormatType.INTEGER, "id", False)], True)]
    page = nora.goes_to(f"{imports(nora, configuration('Names', owner, nodes))}/data")
    page.get_by_role("button", name="Import from a file").click()
    dialog = page.get_by_role("dialog", name="Columns of people, from a file")
    dialog.locator("input[type=file]").set_input_files(
        {"name": "names.csv", "mimeType": "text/csv", "buffer": b"given name,family name\n"}
    )
    expect(dialog.get_by_role("table", name="Columns that are taken")).to_contain_text("family name")
    dialog.locator("input[type=file]").set_input_files(
        {"name": "name.csv", "mimeType": "text/csv", "buffer": b"family name\n"}
    )
    dialog.get_by_role("button", name="Use this column").click()
    expect(page.get_by_role("textbox", name="Name of column 1")).to_have_value("family name")


def test_test_data_is_made_by_the_wizard(person: Callable[..., Person]) -> None:
    dana = person("tess@data.example")
    dana.trusts_software()
    nodes = [TableDataNodeDefinition("people", [Column(FormatType.INTEGER, "id", False)], True)]
    path = imports(dana, configuration("Study", "tess@data.example", nodes))
    page = dana.goes_to(f"{path}/data")
    page.get_by_role("button", name="Choose test data").click()
    dialog = page.get_by_role("dialog", name="Test data for people")
    dialog.locator("input[type=file]").set_input_files(
        {"name": "made-up.tsv", "mimeType": "", "buffer": b"id\tother\r\n1\tx\r\n2\ty\r\n"}
    )
    dialog.get_by_role("button", name="Next: columns").click()
    dialog.get_by_role("button", name="Next: check all rows").click()
    dialog.get_by_role("button", name="Encrypt and upload").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("made-up.tsv")).to_be_visible()
    page.get_by_role("tab", name="Test").click()
    expect(page.get_by_role("combobox", name="Test data of people")).to_have_value(re.compile("made-up.tsv"))
