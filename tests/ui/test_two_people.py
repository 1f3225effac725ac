"""Two people make a room and use it, each in a browser of their own; an outsider looks for it, and so does a thief.

Everything by what people see and click, with the pages loaded anew wherever one might do that.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from cloister.cli.operators.layout import Layout
from tests.attacks.recorder import files, traces
from tests.installation import Installation, run

from .people import Person

HOSPITAL, LAB, OUTSIDER = "ana@hospital.example", "leo@lab.example", "eve@outside.example"
IN_DATA, IN_SCRIPT, IN_RESULT = (f"canary-{name}-{os.urandom(8).hex()}" for name in ("data", "script", "result"))
PATIENTS = (
    "\ufeffid;years;note\r\n" + "".join(f"p{n};{20 + n % 60};{IN_DATA}\r\n" for n in range(1, 101)) + "p0;old;x\r\n"
)
SCRIPT = f"""
import pandas as pd
# {IN_SCRIPT}
with open("/input/patients/dataset.csv") as table:
    patients = pd.read_csv(table, names=["id", "age"])
measured = pd.read_csv("/input/measurements")
both = patients.merge(measured, on="id")
half = "{IN_RESULT[:12]}"
with open("/output/means.csv", "w") as out:
    out.write(f"rows,age,value,word\\n{{len(both)}},{{both.age.mean():.1f}},{{both.value.mean():.1f}},{{half}}{IN_RESULT[12:]}\\n")
"""
MEASUREMENTS = "id,value\n" + "".join(f"p{n},{n / 2}\n" for n in range(1, 51))


def again(page: Page) -> None:
    """Loads the page anew once everything is kept."""
    expect(page.get_by_text("Kept in your vault")).to_be_visible()
    page.reload()


def choose(page: Page, label: str, option: str) -> None:
    """Picks one in a list of several."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()
    page.keyboard.press("Escape")


def drafted(page: Page) -> None:
    """The hospital writes the room, and loads the page anew after each step."""
    page.get_by_role("button", name="New clean room").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Heart study")
    page.get_by_role("button", name="Create the draft").click()

    page.get_by_role("tab", name="Permissions").click()
    page.get_by_role("textbox", name="Add people").fill(LAB)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("row").filter(has_text=LAB)).to_be_visible()
    again(page)
    expect(page.get_by_role("row").filter(has_text=LAB)).to_be_visible()

    page.get_by_role("tab", name="Data").click()
    page.get_by_role("button", name="Add table").click()
    page.get_by_role("dialog").get_by_label("Name").fill("patients")
    page.get_by_role("button", name="Add", exact=True).click()
    choose(page, "Who provides it", HOSPITAL)
    page.get_by_role("textbox", name="Name of column 1").fill("id")
    page.get_by_role("button", name="Add column").click()
    page.get_by_role("textbox", name="Name of column 2").fill("age")
    page.get_by_role("combobox", name="Type of age").select_option("Whole number")
    page.get_by_role("button", name="Add file").click()
    page.get_by_role("dialog").get_by_label("Name").fill("measurements")
    page.get_by_role("button", name="Add", exact=True).click()
    choose(page, "Who provides it", LAB)
    again(page)
    expect(page.get_by_role("navigation", name="Data").get_by_role("listitem")).to_have_count(2)

    page.get_by_role("tab", name="Computations").click()
    page.get_by_role("button", name="Add computation").click()
    page.get_by_role("menuitem", name=re.compile("^Python A script")).click()
    page.get_by_role("dialog").get_by_label("Name").fill("means")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    page.get_by_role("textbox", name="Main script").fill(SCRIPT)
    for name in ("patients", "measurements"):
        page.get_by_role("checkbox", name=f"Mount {name}").click()
        expect(page.get_by_role("checkbox", name=f"Mount {name}")).to_be_checked()
    choose(page, "Who may run it", LAB)
    again(page)
    expect(page.get_by_role("textbox", name="Main script")).to_contain_text(IN_SCRIPT)
    expect(page.get_by_role("checkbox", name="Mount measurements")).to_be_checked()


def published(hospital: Person) -> str:
    """Tests the draft on made-up data and publishes it; the room's id."""
    page = hospital.page
    page.get_by_role("tab", name="Test").click()
    page.get_by_role("button", name="File … to test patients with").click()
    dialog = page.get_by_role("dialog", name="Test data for patients")
    dialog.locator("input[type=file]").set_input_files(
        {"name": "made-up.csv", "mimeType": "text/csv", "buffer": b"id,age\np1,30\np2,40\n"}
    )
    for button in ("Next: columns", "Next: check all rows", "Encrypt and upload"):
        dialog.get_by_role("button", name=button).click()
    expect(page.get_by_role("combobox", name="Test data of patients")).to_have_value(re.compile("made-up.csv"))
    page.get_by_label("File to test measurements with").set_input_files(
        {"name": "made-up.txt", "mimeType": "text/csv", "buffer": b"id,value\np1,1\n"}
    )
    expect(page.get_by_role("combobox", name="Test data of measurements")).to_have_value(re.compile("made-up.txt"))
    again(page)
    page.get_by_role("button", name="Test all computations").click()
    expect(page.get_by_text("All of it has passed")).to_be_visible()
    page.get_by_role("tab", name="Picture").click()
    expect(page.get_by_role("button", name=re.compile("^means Python"))).to_be_visible()
    page.get_by_role("tab", name="Encrypt and publish").click()
    expect(page.get_by_text("It has passed its test")).to_be_visible()
    page.get_by_role("button", name="Encrypt and publish").click()
    page.get_by_role("dialog").get_by_role("button", name="Encrypt and publish").click()
    page.get_by_role("button", name="Delete the draft, and go to the room").click()
    expect(page).to_have_url(re.compile("/rooms/[0-9a-f]{64}"))
    return page.url.split("/rooms/")[1][:64]


def provided(page: Page, node: str, name: str, content: str) -> Locator:
    """Begins to give a data node a file; the dialog."""
    page.get_by_role("article", name=node).get_by_role("button", name=f"Provide data: {node}").click()
    dialog = page.get_by_role("dialog", name=f"Data for {node}")
    dialog.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    )
    return dialog


@pytest.mark.slow
def test_two_people_an_outsider_and_a_thief(own_installation: Installation, person: Callable[..., Person]) -> None:
    here = own_installation.start()
    hospital, lab = (person(email, at=here, recorded=True) for email in (HOSPITAL, LAB))
    for each in (hospital, lab):
        each.trusts_software()

    # 1. The hospital writes a room, tests it and publishes it.
    page = hospital.goes_to("/")
    drafted(page)
    room = published(hospital)

    # 2. It provides its table: columns are found, one row is left out.
    page.reload()
    expect(page.get_by_role("region", name=re.compile("[Nn]ext steps"))).to_contain_text("patients")
    dialog = provided(page, "patients", "export.csv", PATIENTS)
    dialog.get_by_role("button", name="Next: columns").click()
    dialog.get_by_role("combobox", name="Column of the file for age").select_option(value="1")
    dialog.get_by_role("button", name="Next: check all rows").click()
    dialog.get_by_role("checkbox", name=re.compile("Leave out the 1 invalid")).check()
    dialog.get_by_role("button", name="Encrypt and provision").click()
    dialog.get_by_role("button", name="These are right: go on").click()
    expect(dialog).to_have_count(0)
    page.reload()
    expect(page.get_by_role("article", name="patients")).to_contain_text("Provided")

    # 3. The lab finds the room, looks at what it agrees to, provides its file, and runs the computation.
    page = lab.goes_to("/")
    page.get_by_role("link", name="Heart study").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Heart study")
    dialog = provided(page, "measurements", "measured.csv", MEASUREMENTS)
    dialog.get_by_role("button", name="Encrypt and provision").click()
    dialog.get_by_role("button", name="These are right: go on").click()
    expect(dialog).to_have_count(0)
    card = page.get_by_role("article", name="means")
    card.get_by_role("button", name="Run: means").click()
    expect(card.get_by_role("button", name="Run: means")).to_have_count(0)
    page.reload()
    card.get_by_role("button", name="Result: means").click()
    dialog = page.get_by_role("dialog", name="Result of means")
    dialog.get_by_role("navigation", name="Files of the result").get_by_role("button", name="means.csv").click()
    shown = dialog.get_by_role("region", name="Content of means.csv")
    expect(shown).to_contain_text(IN_RESULT)
    dialog.get_by_role("button", name="What was checked?").click()
    expect(dialog).to_contain_text("insecure-software")
    with page.expect_download() as saved:
        dialog.get_by_role("button", name=re.compile("Download means.zip")).click()
    assert saved.value.suggested_filename == "means.zip"
    with zipfile.ZipFile(io.BytesIO(saved.value.path().read_bytes())) as archive:
        by_page = archive.read("means.csv").decode()
    assert by_page == f"rows,age,value,word\n50,45.5,12.8,{IN_RESULT}\n"
    page.keyboard.press("Escape")

    # 4. What has happened is the same for both; the hospital gets no result.
    page.get_by_role("tab", name="Audit log").click()
    expect(page.get_by_role("alert")).to_contain_text("Verified")
    lab.takes_picture("audit-log")
    page.get_by_role("tab", name="Trust").click()
    expect(page.get_by_role("heading", name="Whose devices speak for whom")).to_be_visible()
    lab.takes_picture("trust")
    page = hospital.goes_to(f"/rooms/{room}/audit")
    expect(page.get_by_role("table")).to_contain_text("Computation means has finished")
    page.get_by_role("tab", name="Overview").click()
    expect(page.get_by_role("article", name="patients")).to_be_visible()
    expect(page.get_by_role("button", name="Run: means")).to_have_count(0)
    expect(page.get_by_role("button", name="Result: means")).to_have_count(0)

    # 5. The same room from the SDK, on another machine: the same result, without computing anew.
    by_sdk = here.client(LAB)
    same = by_sdk.retrieve_analytics_dcr(room)
    assert same.name == "Heart study"
    assert run(same, "means").read("means.csv").decode() == by_page
    assert same.retrieve_audit_log().count("Computation means has been started") == 1

    # 6. An outsider finds nothing, whatever they know of it.
    outsider = person(OUTSIDER, at=here)
    outsider.trusts_software()
    page = outsider.goes_to("/")
    expect(page.get_by_text("Nobody has invited you to a room yet")).to_be_visible()
    page = outsider.goes_to(f"/rooms/{room}")
    expect(page.get_by_role("alert")).to_contain_text("no such room")

    # 7. Nothing that the two browsers and the server have said to each other, and nothing that the server keeps or
    # logs, has any of what is secret.
    secrets = {"data": IN_DATA.encode(), "script": IN_SCRIPT.encode(), "result": IN_RESULT.encode()}
    for each in (hospital, lab):
        assert each.recorder is not None
        heard = each.recorder.heard()
        assert sum(map(len, heard)) > 100_000
        assert not traces(secrets, heard), each.email
    layout = Layout(here.data)
    assert not traces(secrets, files(layout.data / "hub"))
    assert not traces(secrets, ["\n".join([*here.log, *here.output]).encode()])
    assert not traces(secrets, files(layout.data))
