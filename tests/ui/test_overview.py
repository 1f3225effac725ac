"""The overview of a published room: what comes next for each participant, data, and runs that outlive their page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from cloister.analytics import (
    AnalyticsDcrBuilder,
    Column,
    FormatType,
    PreviewComputeNodeDefinition,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    SqlComputeNodeDefinition,
    TableDataNodeDefinition,
)
from cloister.sdk.datasets import SecretStoreOptions
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.key import Key
from cloister.sdk.nodes import TableDataNode
from tests.installation import Installation, data_node

from .people import Person

OWNER, ANALYST = "owner@overview.example", "analyst@overview.example"
SHOUT = "from pathlib import Path; Path('/output/out').write_text(Path('/input/letter').read_text().upper())"
FAIL = "print('so far, so good'); raise ValueError(open('/input/letter').read())"
SECRET = "the butler did it"

pytestmark = pytest.mark.slow


def test_what_comes_next_and_runs_that_outlive_the_page(
    person: Callable[..., Person], installation: Installation, tmp_path: Path
) -> None:
    client = installation.client(OWNER, machine=tmp_path.name)
    builder = AnalyticsDcrBuilder(client=client).with_name("Letters").with_owner(OWNER)
    builder.add_node_definition(RawDataNodeDefinition(name="letter", is_required=True))
    scripts = {"shout": SHOUT, "endless": "while True: pass", "fail": FAIL}
    for name, script in scripts.items():
        node = PythonComputeNodeDefinition(name, script, dependencies=["letter"], enable_logs_on_error=True)
        builder.add_node_definition(node)
    builder.add_participant(OWNER, data_owner_of=["letter"]).add_participant(ANALYST, analyst_of=list(scripts))
    room = client.publish_analytics_dcr(builder.build())

    analyst = person(ANALYST)
    analyst.trusts_software()
    page = analyst.goes_to(f"/rooms/{room.id}")
    steps = page.get_by_role("region", name="Next steps")
    expect(steps).to_contain_text(f"shout, endless and fail wait for data of letter from {OWNER}")
    expect(page.get_by_role("button", name="Run")).to_have_count(0)
    owner = person(OWNER, color_scheme="dark")
    owner.trusts_software()
    theirs = owner.goes_to(f"/rooms/{room.id}")
    expect(theirs.get_by_role("region", name="Next steps")).to_contain_text("Provide data for letter")
    expect(theirs.get_by_role("region", name="What others do").get_by_role("row")).to_have_count(4)
    owner.finds_it_accessible()

    # What others do shows without anybody's loading the page again.
    kept = SecretStoreOptions(store_key=False)  # The vault is the browser's, which was there first.
    data_node(room, "letter").upload_and_publish_dataset(SECRET.encode(), Key(), "letter", secret_store_options=kept)
    expect(steps).to_contain_text("Run shout")
    expect(theirs.get_by_role("article", name="letter")).to_contain_text("Provided")
    expect(theirs.get_by_role("region", name="Next steps")).to_contain_text("Nothing is left for you to do")

    # Several at once; they go on while the page is loaded again.
    shout, endless, fail = (page.get_by_role("article", name=name) for name in scripts)
    endless.get_by_role("button", name="Run").click()
    expect(endless.get_by_role("group", name="State of the run")).to_contain_text("Running")
    shout.get_by_role("button", name="Run").click()
    expect(shout.get_by_role("group", name="State of the run")).to_contain_text("waits for")
    page.reload()
    expect(endless.get_by_role("group", name="State of the run")).to_contain_text("Running")
    expect(shout.get_by_role("group", name="State of the run")).to_contain_text("waits for")
    analyst.finds_it_accessible()
    analyst.takes_picture("overview")
    endless.get_by_role("button", name="Cancel").click()
    expect(endless).to_contain_text("Cancelled.")
    steps.get_by_role("button", name="Look at the result: shout").click()
    expect(page.get_by_role("region", name="Content of out")).to_have_text(SECRET.upper())
    page.keyboard.press("Escape")
    expect(steps.get_by_text("The result of shout")).to_have_count(0)

    # Why there is no result: the console, which the room's author lets analysts see, and no word of the data.
    fail.get_by_role("button", name="Run").click()
    expect(fail.get_by_role("region", name="Console")).to_contain_text("so far, so good")
    expect(fail.get_by_role("alert")).to_contain_text("The computation 'fail' failed")
    expect(steps).to_contain_text("fail has ended without a result: run it again")
    analyst.finds_it_accessible()
    page.reload()
    expect(fail.get_by_role("region", name="Console")).to_contain_text("so far, so good")

    # When the room ends, so does all that can be done.
    room.stop()
    expect(steps.get_by_role("alert")).to_contain_text("This room was stopped")
    expect(page.get_by_role("button", name="Run")).to_have_count(0)


@pytest.fixture
def tables(installation: Installation, tmp_path: Path) -> AnalyticsDcr:
    client = installation.client(OWNER, machine=tmp_path.name)  # one that has heard of none of their browsers
    columns = [
        Column(FormatType.STRING, "team", is_nullable=False),
        Column(FormatType.INTEGER, "salary", is_nullable=False),
    ]
    builder = AnalyticsDcrBuilder(client=client).with_name("Tables").with_owner(OWNER).with_privacy_budget(2)
    builder.add_node_definition(TableDataNodeDefinition("salaries", columns, is_required=True))
    builder.add_node_definition(
        SqlComputeNodeDefinition("teams", "SELECT team, count(*) AS people FROM salaries GROUP BY team", ["salaries"])
    )
    builder.add_node_definition(PreviewComputeNodeDefinition("look", "teams", quota_bytes=1_000_000))
    builder.add_participant(OWNER, data_owner_of=["salaries"], analyst_of=["look", "teams"])
    return client.publish_analytics_dcr(builder.build())


def test_a_table_is_provided_validated_asked_and_removed(
    person: Callable[..., Person], tables: AnalyticsDcr, tmp_path: Path
) -> None:
    owner = person(OWNER)
    owner.trusts_software()
    page = owner.goes_to(f"/rooms/{tables.id}")
    card = page.get_by_role("article", name="salaries")
    expect(card).to_contain_text("Needed")
    (tmp_path / "salaries.csv").write_text("team,salary\nbridge,70\nbridge,80\nengine,90\n")
    page.get_by_role("button", name="Provide data: salaries").first.click()
    dialog = page.get_by_role("dialog", name="Data for salaries")
    dialog.locator("input[type=file]").set_input_files(tmp_path / "salaries.csv")
    dialog.get_by_role("button", name="Next: columns").click()
    dialog.get_by_role("button", name="Next", exact=False).click()
    dialog.get_by_role("button", name="Encrypt and provision").click()
    dialog.get_by_role("button", name="These are right: go on").click()

    # It is validated at once, and whose it is sees what was found.
    expect(card).to_contain_text("Provided, valid")
    card.get_by_role("button", name="Validation report").click()
    report = page.get_by_role("dialog", name="Validation of salaries")
    expect(report.get_by_role("region", name="Validation report")).to_contain_text("The table is valid. It has 3 rows.")
    expect(report.get_by_role("columnheader")).to_have_text(["Row", "team", "salary"])
    owner.finds_it_accessible()
    page.keyboard.press("Escape")

    # A query's columns have names, here and in what is saved; a look costs of a quota.
    look = page.get_by_role("article", name="look")
    expect(look).to_contain_text("You may fetch 1.00 MB of it in all")
    look.get_by_role("button", name="Run").click()
    look.get_by_role("button", name="Result").click()
    result = page.get_by_role("dialog", name="Result of look")
    expect(result.get_by_role("row").nth(1)).to_contain_text("bridge")
    with page.expect_download() as saved:
        result.get_by_role("button", name="Download as CSV").click()
    assert saved.value.suggested_filename == "look.csv"
    assert sorted(saved.value.path().read_text().split()) == ["bridge,2", "engine,1", "team,people"]
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Audit log").click()
    expect(page.get_by_role("table")).to_contain_text("of the quota")
    page.get_by_role("tab", name="Overview").click()
    expect(look).to_contain_text("You have fetched")
    expect(card).to_contain_text(f"by {OWNER}")

    # Without the data, what was made of it is gone.
    card.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(card).to_contain_text("Needed")
    expect(look).to_contain_text("Waits for data of salaries, which you can provide.")
    expect(look.get_by_role("button", name="Result")).to_have_count(0)

    # Where it is not valid it is to be replaced, and nothing over it is ready to run; after a reload, too.
    kept = SecretStoreOptions(store_key=False)
    table = tables.get_node("salaries")
    assert isinstance(table, TableDataNode)
    table.upload_and_publish_dataset(b"bridge,a lot\n", Key(), "wrong", secret_store_options=kept)
    expect(card).to_contain_text("Provided")
    look.get_by_role("button", name="Run").click()
    expect(look).to_contain_text("Waits for valid data of salaries")
    page.reload()
    expect(card).to_contain_text("Provided, not valid")
    expect(look.get_by_role("button", name="Run")).to_have_count(0)
    page.get_by_role("button", name="Replace data: salaries").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove, then provide other data").click()
    expect(page.get_by_role("dialog", name="Data for salaries")).to_be_visible()
