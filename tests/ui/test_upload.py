"""Files of people, made into what a room takes by the upload wizard: before that, nothing leaves their machine."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import FilePayload, Locator, Route, expect

from cloister.analytics import AnalyticsDcrBuilder, Column, FormatType, RawDataNodeDefinition, TableDataNodeDefinition
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.nodes import TableDataNode
from tests.installation import Installation

from .files import workbook
from .people import Person

NASTY = "<img src=x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://elsewhere.example")'
MIB = 1024 * 1024


def room_of(
    installation: Installation, owner: str, *nodes: TableDataNodeDefinition | RawDataNodeDefinition
) -> AnalyticsDcr:
    """A room that waits for data, made with the SDK on another machine of its owner's."""
    client = installation.client(owner)
    builder = AnalyticsDcrBuilder(client=client).with_name("Waiting for data").with_owner(owner)
    builder.add_node_definitions(list(nodes))
    builder.add_participant(owner, data_owner_of=[node.id for node in nodes])
    return client.publish_analytics_dcr(builder.build())


PEOPLE = TableDataNodeDefinition(
    "people",
    [
        Column(FormatType.INTEGER, "id", False),
        Column(FormatType.STRING, NASTY, True),
        Column(FormatType.EMAIL, "mail", False),
        Column(FormatType.DATE_ISO8601, "born", True),
        Column(FormatType.FLOAT, "score", True, in_range=(0, 100)),
        Column(FormatType.HASH_SHA256_HEX, "person", False),
    ],
    True,
    unique_column_combinations=[[0]],
)
HEADER = ["E-Mail", "ID", "Date of birth", NASTY, "Score", "not needed", "Person"]


def rows() -> list[list[str]]:
    made = [
        [f"P{n}@Example.com", str(n), f"{n % 28 + 1}.{n % 12 + 1}.1980", "Zo\u00eb", f"{n % 100},5", "private", f"p{n}"]
        for n in range(100)
    ]
    made[3][3] = FORMULA
    made[10][0] = made[20][0] = "nobody"
    made[30][2] = "31.2.1980"
    made[40][4] = "250"
    made[50][0] = f"{NASTY}@b.co"
    made[60][1] = "59"
    made[70] = ["too", "short"]
    return made


def written(path: Path) -> Path:
    """As spreadsheets in parts of Europe write it."""
    with path.open("w", encoding="windows-1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows([HEADER, *rows()])
    return path


def chosen(person: Person, room: AnalyticsDcr, node: str, file: Path | FilePayload) -> Locator:
    """The dialog where a file was chosen for a node."""
    page = person.goes_to(f"/rooms/{room.id}")
    page.get_by_role("article", name=node).get_by_role("button", name=f"Provide data: {node}").click()
    dialog = page.get_by_role("dialog", name=f"Data for {node}")
    dialog.locator("input[type=file]").set_input_files(file)
    return dialog


def click(dialog: Locator, *names: str) -> None:
    for name in names:
        dialog.get_by_role("button", name=name).click()


def test_a_table_is_understood_mended_and_provided(
    person: Callable[..., Person], installation: Installation, tmp_path: Path
) -> None:
    owner = "ida@upload.example"
    room = room_of(installation, owner, PEOPLE)
    ida = person(owner)
    ida.trusts_software()
    dialog = chosen(ida, room, "people", written(tmp_path / "people.csv"))
    page = ida.page
    sent = len(ida.requests)

    # What the file is like is told, and shown as text.
    expect(dialog.get_by_role("combobox", name="Cells are separated by")).to_have_value(";")
    expect(dialog.get_by_role("combobox", name="Encoding")).to_have_value("windows-1252")
    expect(dialog.get_by_role("checkbox", name="The first row names the columns")).to_be_checked()
    expect(dialog.get_by_role("region", name="The first rows")).to_contain_text("Zo\u00eb")
    expect(dialog.get_by_role("region", name="The first rows")).to_contain_text(FORMULA)
    ida.finds_it_accessible()
    click(dialog, "Next: columns")

    # Columns are found by their names, and what they hold by how it looks; one has to be named.
    file_column = dialog.get_by_role("combobox", name="Column of the file for born")
    expect(dialog.get_by_role("combobox", name="Column of the file for mail")).to_have_value("")
    dialog.get_by_role("combobox", name="Column of the file for mail").select_option("1: E-Mail")
    file_column.select_option("3: Date of birth")
    expect(dialog.get_by_role("combobox", name="How the file writes born")).to_have_value("day-first")
    expect(dialog.get_by_role("combobox", name="How the file writes score")).to_have_value("decimal-comma")
    expect(dialog.get_by_role("combobox", name="What the file has for person")).to_have_value("STRING")
    expect(dialog).to_contain_text("Not used, and not sent: 6: not needed")
    ida.finds_it_accessible()
    ida.takes_picture("upload-columns")
    click(dialog, "Next: check all rows")

    # All that is wrong is found, and mended: everywhere, in one row, or by leaving out.
    expect(dialog.get_by_text("7 of 100 rows are not what the table takes")).to_be_visible()
    mails = dialog.get_by_role("region", name="mail: Not an e-mail address")
    expect(mails).to_contain_text("rows 12, 22, 52")
    mails.get_by_role("textbox", name="Replace nobody in mail by").fill("still nobody")
    expect(mails).to_contain_text("Not an e-mail address")
    mails.get_by_role("button", name="Row by row").click()
    mails.get_by_role("textbox", name="Replace nobody in mail, row 12, by").fill("p10@example.com")
    mails.get_by_role("textbox", name=f"Replace {NASTY}@b.co in mail by").fill("p50@example.com")
    dialog.get_by_role("button", name="Empty: Replace 31.2.1980 in born by nothing").click()
    dialog.get_by_role("textbox", name="Replace 250 in score by").fill("25,5")
    ida.finds_it_accessible()
    ida.takes_picture("upload-mend")
    with page.expect_download() as saved:
        click(dialog, "Save this list")
    listed = list(csv.reader(saved.value.path().read_text().splitlines()))
    assert ["12", "mail", "INVALID_EMAIL_FORMAT", "Not an e-mail address", "nobody"] in listed
    assert not [cell for row in listed for cell in row if cell.startswith(("=", "+", "-", "@"))]
    expect(dialog.get_by_role("button", name="Encrypt and provision")).to_be_disabled()
    click(dialog, "Check again")
    expect(dialog.get_by_text("3 of 100 rows are not what the table takes")).to_be_visible()
    dialog.get_by_role("checkbox", name="Leave out the 3 invalid rows").check()
    expect(dialog).to_contain_text("97 rows")

    # Until now, nothing was sent to anybody but what keeps the page going.
    assert not [each for each in ida.requests[sent:] if each.method == "PUT"]
    click(dialog, "Encrypt and provision")
    expect(dialog.get_by_role("row").filter(has_text="Yes: this browser")).to_be_visible()
    ida.finds_it_accessible()
    # The owner's other device, which the room knows by now, may fetch it.
    dialog.get_by_role("checkbox", name=re.compile("fetch this data")).check()
    click(dialog, "These are right: go on")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("article", name="people")).to_contain_text("Provided")

    # What has arrived is what was shown, and the enclave finds nothing wrong with it.
    node = room.get_node("people")
    assert isinstance(node, TableDataNode)
    arrived = list(csv.reader(node.download_dataset().read().decode().splitlines()))
    assert len(arrived) == 97
    assert arrived[3] == ["3", FORMULA, "P3@Example.com", "1980-04-04", "3.5", hashlib.sha256(b"p3").hexdigest()]
    assert arrived[10][2] == "p10@example.com"
    assert {len(row) for row in arrived} == {6}
    report = node.get_validation_report_as_dict()["report"]
    assert (report["outcome"], report["numRowsTotal"], report["numInvalidRowsTotal"]) == ("PASSED", 97, 0)


def test_an_excel_file_and_one_that_cannot_be_read(
    person: Callable[..., Person], installation: Installation, tmp_path: Path
) -> None:
    owner = "ed@upload.example"
    columns = [Column(FormatType.STRING, "who", False), Column(FormatType.DATE_ISO8601, "born", False)]
    room = room_of(installation, owner, TableDataNodeDefinition("staff", columns, True))
    ed = person(owner, color_scheme="dark")
    ed.trusts_software()
    broken = FilePayload(name="a.csv", mimeType="text/csv", buffer=b'who,born\n5" pipe,2000-01-01\n"a"b,2000-01-01\n')
    dialog = chosen(ed, room, "staff", broken)
    expect(dialog.get_by_role("alert")).to_contain_text("quotes in row 3 don't fit")
    expect(dialog.get_by_role("button", name="Next: columns")).to_be_disabled()
    dialog.get_by_role("combobox", name="Texts stand in").select_option("Quotes are nothing special")
    expect(dialog.get_by_role("region", name="The first rows")).to_contain_text('5" pipe')
    no_excel = FilePayload(name="b.xlsx", mimeType="", buffer=b"PK\x03\x04 nothing")
    dialog.locator("input[type=file]").set_input_files(no_excel)
    expect(dialog.get_by_role("alert")).to_contain_text("no Excel file")

    # Where nothing tells whether there is a header, people are asked.
    texts = FilePayload(name="c.csv", mimeType="text/csv", buffer=b"Name,City\nann,york\nbob,rome\n")
    dialog.locator("input[type=file]").set_input_files(texts)
    headings = dialog.get_by_text("Is this the line of headings: Name, City?")
    expect(headings).to_be_visible()
    ed.finds_it_accessible()
    dialog.get_by_role("checkbox", name="The first row names the columns").click()
    expect(headings).to_have_count(0)

    # Of so many rows that a library would start threads of its own, which the pages' policy forbids.
    staff: list[list[str | float]] = [["Who", "Born"]]
    staff += [[f"{NASTY} {n}", 36526 + n % 9000] for n in range(20_000)]
    path = tmp_path / "staff.xlsx"
    path.write_bytes(workbook("Staff & others", staff, dates=[1]))
    dialog.locator("input[type=file]").set_input_files(path)
    expect(dialog.get_by_role("combobox", name="Sheet")).to_contain_text("Staff & others")
    expect(dialog.get_by_role("region", name="The first rows")).to_contain_text("2000-01-01")
    click(dialog, "Next: columns", "Next: check all rows")
    expect(dialog.get_by_text("All 20,000 rows are valid")).to_be_visible()
    ed.finds_it_accessible()
    click(dialog, "Encrypt and provision", "These are right: go on")
    expect(dialog).to_have_count(0)
    # The enclave finds nothing wrong with it either; and it is one of its owner's datasets from now on.
    expect(ed.page.get_by_role("article", name="staff")).to_contain_text("Provided, valid")
    expect(ed.goes_to("/datasets").get_by_text("staff.xlsx").first).to_be_visible()


@pytest.mark.slow
def test_a_large_table_goes_on_after_a_reload_in_little_memory(
    person: Callable[..., Person], installation: Installation, tmp_path: Path
) -> None:
    owner = "lea@upload.example"
    columns = [Column(FormatType.INTEGER, "id", False), Column(FormatType.STRING, "text", False)]
    room = room_of(installation, owner, TableDataNodeDefinition("large", columns, True))
    path = tmp_path / "large.csv"
    block = "".join(f'{n};"{"x" * 200}"\r\n' for n in range(10_000)).encode()
    path.write_bytes(b"id;text\r\n" + block * (50 * MIB // len(block)))
    lea = person(owner)
    lea.trusts_software()
    page = lea.page

    def checked() -> Locator:
        dialog = chosen(lea, room, "large", path)
        click(dialog, "Next: columns", "Next: check all rows")
        expect(dialog.get_by_text(re.compile("All [0-9,]+ rows are valid"))).to_be_visible(timeout=120_000)
        click(dialog, "Encrypt and provision", "These are right: go on")
        return dialog

    before = memory()
    # The server stays away from the fourth part on, until the page is loaded anew.
    held: list[Route] = []
    lea.context.route(re.compile(r"/v1/blobs/[^/]+/parts/([3-9]|\d\d)"), lambda route: held.append(route))
    dialog = checked()
    expect(dialog.get_by_role("status")).to_contain_text("25.2 MB of", timeout=120_000)
    # Four parts, plain and encrypted, and what is not collected yet; the bench shows that it is the same for gigabytes.
    assert memory() - before < 600 * MIB
    lea.finds_it_accessible()
    sent = parts(lea)
    assert held
    assert {0, 1, 2} <= set(sent)
    # In this order: what is held would else be let through, and nothing be left to send.
    page.reload()
    lea.context.unroute_all()
    before_again = len(parts(lea))
    dialog = checked()
    expect(dialog).to_have_count(0, timeout=120_000)
    # 50 MB are seven parts of 8 MiB at most.
    assert sorted(parts(lea)[before_again:]) == [3, 4, 5, 6]
    expect(page.get_by_role("article", name="large")).to_contain_text("Provided")


def parts(person: Person) -> list[int]:
    """Indices of parts that the browser has begun to send."""
    found = (re.search(r"/v1/blobs/[^/]+/parts/(\d+)", each.url) for each in person.requests if each.method == "PUT")
    return [int(each.group(1)) for each in found if each is not None]


def memory() -> int:
    """Bytes that all pages and their workers have in memory."""
    total = 0
    for each in psutil.Process().children(recursive=True):
        # Processes come and go meanwhile.
        with contextlib.suppress(psutil.Error):
            if "--type=renderer" in each.cmdline():
                total += each.memory_info().rss
    return total


def test_a_page_that_is_left_sends_nothing_more(person: Callable[..., Person], installation: Installation) -> None:
    owner = "mo@upload.example"
    room = room_of(installation, owner, RawDataNodeDefinition("notes", False))
    mo = person(owner)
    mo.trusts_software()
    dialog = chosen(mo, room, "notes", FilePayload(name="<b>.txt", mimeType="text/plain", buffer=b"some notes"))
    expect(dialog).to_contain_text("<b>.txt")
    click(dialog, "Encrypt and provision")
    # Whoever doesn't know the keys keeps the data.
    click(dialog, "Keep the data here")
    expect(dialog.get_by_role("button", name="Encrypt and provision")).to_be_visible()
    assert parts(mo) == []
    # What was chosen isn't lost by a key.
    mo.page.keyboard.press("Escape")
    expect(dialog).to_contain_text("<b>.txt")
    click(dialog, "Close")
    expect(dialog).to_have_count(0)
    expect(mo.page.get_by_role("article", name="notes")).to_contain_text("Optional")
