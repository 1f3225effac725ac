"""Results in the browser: shown so that nothing in them can do anything, saved, vouched for, and lost."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, FrameLocator, Locator, Page, expect

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.cli.operators.layout import Layout
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation

from .people import Person
from .results import HARMFUL

pytestmark = pytest.mark.slow

AUTHOR, ANALYST = "author@results.example", "analyst@results.example"


@pytest.fixture(scope="module")
def room(installation: Installation) -> AnalyticsDcr:
    client = installation.client(AUTHOR)
    builder = AnalyticsDcrBuilder(client=client).with_name("Results").with_owner(AUTHOR)
    builder.add_node_definition(RawDataNodeDefinition(name="extra", is_required=False))
    builder.add_node_definition(PythonComputeNodeDefinition("harm", HARMFUL, dependencies=["extra"]))
    builder.add_node_definition(
        PythonComputeNodeDefinition("chance", "import os; open('/output/random', 'w').write(os.urandom(8).hex())")
    )
    builder.add_participant(ANALYST, analyst_of=["harm", "chance"])
    return client.publish_analytics_dcr(builder.build())


def run(page: Page, name: str) -> Locator:
    """Runs a computation and opens its result."""
    card = page.get_by_role("article", name=name)
    card.get_by_role("button", name=f"Run: {name}").click()
    card.get_by_role("button", name=f"Result: {name}").click()
    dialog = page.get_by_role("dialog", name=f"Result of {name}")
    expect(dialog.get_by_role("button", name="What was checked?")).to_be_visible()
    return dialog


def test_harmful_results_render_harmlessly(person: Callable[..., Person], room: AnalyticsDcr) -> None:
    analyst = person(ANALYST)
    analyst.trusts_software()
    page = analyst.goes_to(f"/rooms/{room.id}")
    opened: list[str] = []

    def refuse(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    analyst.context.on("dialog", refuse)
    dialog = run(page, "harm")
    files = dialog.get_by_role("navigation", name="Files of the result")

    def choose(name: str) -> Locator:
        files.get_by_role("button", name=name).click()
        return dialog.get_by_role("region", name=f"Content of {name}")

    # Text is text, whatever it is called and says.
    expect(choose("<img src=x onerror=alert(1)>/note.txt")).to_have_text("turned \\u{202e} around red")
    expect(choose("page.html")).to_contain_text("<!doctype html><script>parent.alert(1)")
    table = choose("formulas.csv")
    expect(table.get_by_role("row").nth(1)).to_contain_text('=HYPERLINK("http://elsewhere.example/")')
    expect(table.get_by_role("row").nth(3)).to_contain_text("<img src=x onerror=alert(3)>")
    expect(table.locator("img, a")).to_have_count(0)
    analyst.finds_it_accessible()
    # Of much the beginning, and that is said; rows are there when they are scrolled to.
    large = choose("large.csv")
    expect(dialog.get_by_role("note")).to_contain_text("first 10,000 rows")
    assert large.get_by_role("row").count() < 200
    large.press("End")
    expect(large.get_by_role("row").filter(has_text="9998").first).to_be_visible()

    # Pictures and PDFs are in a frame without an origin.
    def framed(name: str) -> FrameLocator:
        files.get_by_role("button", name=name).click()
        return dialog.frame_locator(f'iframe[title="Preview of {name}"]')

    for name in ("chart.png", "drawing.svg"):
        expect(framed(name).get_by_role("img", name=name)).to_be_visible()
        assert page.frames[-1].evaluate("origin") == "null"
    analyst.takes_picture("result")
    expect(framed("report.pdf").get_by_role("img", name="report.pdf")).to_be_visible()
    expect(dialog.get_by_text("The first page")).to_be_attached()
    dialog.get_by_role("button", name="Next page").click()
    expect(dialog.get_by_text("Page 2 of 2")).to_be_visible()
    expect(dialog.get_by_text("The second page")).to_be_attached()
    frame = page.frames[-1]
    assert frame.evaluate("origin") == "null"
    # From in there nothing is to be had: neither the page, nor the hub, nor anything else.
    assert frame.evaluate("(() => { try { return parent.document.title } catch (error) { return error.name } })()") == (
        "SecurityError"
    )
    analyst.expects("stopped by the policy|violates the following Content Security Policy|Fetch API cannot load")
    assert frame.evaluate("fetch('/v1/me').then(() => 'came', () => 'refused')") == "refused"
    assert frame.evaluate("fetch('http://elsewhere.example/').then(() => 'came', () => 'refused')") == "refused"

    # What is not shown can be saved all the same.
    for name, why in (
        ("bomb.png", "50,000 x 50,000 pixels"),
        ("data.bin", "not shown here"),
        ("broken.pdf", "It is damaged"),
    ):
        files.get_by_role("button", name=name).click()
        expect(dialog.get_by_role("alert").filter(has_text=why)).to_be_visible()
    files.get_by_role("button", name="data.bin").click()
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Download this file: data.bin").first.click()
    assert saved.value.path().read_bytes() == bytes(range(256))

    # Nothing of it ran or was asked for: the hub is all that this browser has spoken to.
    assert opened == []
    assert not [each.url for each in analyst.requests if "elsewhere" in each.url]
    assert len(analyst.context.pages) == 1


def test_a_result_is_saved_and_its_receipt_convinces_others(
    person: Callable[..., Person], room: AnalyticsDcr, installation: Installation, tmp_path: Path
) -> None:
    analyst = person(ANALYST)
    analyst.trusts_software()
    page = analyst.goes_to(f"/rooms/{room.id}")
    dialog = run(page, "chance")
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Download chance.zip").click()
    assert saved.value.suggested_filename == "chance.zip"
    theirs = saved.value.path().read_bytes()
    # It is the one that the SDK gets.
    node = installation.client(ANALYST).retrieve_analytics_dcr(room.id).get_node("chance")
    node.run_computation()  # type: ignore[union-attr]
    assert node.get_results_as_bytes() == theirs  # type: ignore[union-attr]
    assert zipfile.ZipFile(io.BytesIO(theirs)).namelist() == ["random"]

    # What was checked, in words; software is never mistaken for more.
    dialog.get_by_role("button", name="What was checked?").click()
    checks = dialog.get_by_role("status").filter(has_text="What you see")
    expect(checks).to_contain_text("by its computation chance, exactly as everybody agreed to it")
    expect(checks).to_contain_text("Nothing proves what ran there")
    analyst.finds_it_accessible()
    analyst.takes_picture("receipt")
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Download the receipt").click()
    receipt = saved.value.path().read_bytes()
    assert room.verify_receipt(receipt).node == "chance"

    # Somebody without any right to the result checks it in their own browser.
    author = person(AUTHOR, color_scheme="dark")
    author.trusts_software()
    theirs_too = author.goes_to(f"/rooms/{room.id}")
    theirs_too.get_by_role("button", name="Verify a receipt").click()
    shown = theirs_too.get_by_role("dialog", name="Verify a receipt")
    (tmp_path / "receipt.json").write_bytes(receipt)
    shown.get_by_label("Receipt", exact=True).set_input_files(tmp_path / "receipt.json")
    expect(shown.get_by_role("status").filter(has_text="The receipt is genuine")).to_contain_text("chance")
    author.finds_it_accessible()
    changed = json.loads(receipt)
    changed["payload"] = changed["payload"][:-8] + "AAAA" + changed["payload"][-4:]
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    shown.get_by_label("Receipt", exact=True).set_input_files(tmp_path / "changed.json")
    expect(shown.get_by_role("alert")).to_contain_text("was not signed by the enclave, or was changed")
    expect(shown.get_by_text("The receipt is genuine")).to_have_count(0)


def test_a_result_that_the_hub_has_lost_is_computed_again(
    person: Callable[..., Person], installation: Installation
) -> None:
    client = installation.client(ANALYST)
    builder = AnalyticsDcrBuilder(client=client).with_name("Lost").with_owner(ANALYST)
    builder.add_node_definition(PythonComputeNodeDefinition("once", "open('/output/x', 'w').write('here')"))
    room = client.publish_analytics_dcr(builder.add_participant(ANALYST, analyst_of=["once"]).build())
    analyst = person(ANALYST)
    analyst.trusts_software()
    page = analyst.goes_to(f"/rooms/{room.id}")
    before = stored(installation)
    page.get_by_role("button", name="Run: once").first.click()
    card = page.get_by_role("article", name="once")
    expect(card.get_by_text("Result ready")).to_be_visible()
    lost = stored(installation) - before
    assert lost
    for blob in lost:
        shutil.rmtree(blob)
    # The run is known after a reload, too.
    page.reload()
    card.get_by_role("button", name="Result: once").click()
    expect(page.get_by_role("region", name="Content of x")).to_have_text("here")
    # It was computed once more, which the log tells; and that run is the one that is known from now on.
    assert sum(event["body"]["type"] == "result_lost" for event in room.audit_events()) == 1
    page.reload()
    card.get_by_role("button", name="Result: once").click()
    expect(page.get_by_role("region", name="Content of x")).to_have_text("here")


def stored(installation: Installation) -> set[Path]:
    """The folders of what the hub's store has."""
    return set(Layout(installation.data).hub_settings().blob_folder.glob("*/*"))
