"""The picture of a room: seen, read out, and gone through by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from cloister.analytics import (
    AnalyticsDcrBuilder,
    PythonComputeNodeDefinition,
    PythonEnvironmentComputeNodeDefinition,
    RawDataNodeDefinition,
)
from cloister.rooms.definition import Participant
from cloister.sdk.definitions.base import NodeDefinition
from tests.installation import Installation

from .drafts import configuration, imports
from .people import Person

AUTHOR, OTHER = "author@picture.example", "other@picture.example"
NASTY = "<img src=x onerror=alert(1)>\u202ecod.exe"


def python(name: str, *dependencies: str, environment: str | None = None) -> PythonComputeNodeDefinition:
    return PythonComputeNodeDefinition(
        name=name, script="print()", dependencies=dependencies, custom_environment=environment
    )


def focused(page: Page) -> str:
    shown: str = page.evaluate("document.activeElement.innerText")
    return shown.splitlines()[0]


def test_a_draft_is_pictured_read_out_and_gone_through_by_keyboard(person: Callable[..., Person]) -> None:
    author = person(AUTHOR)
    author.trusts_software()
    nodes: list[NodeDefinition] = [
        python("report", "clean", "notes"),
        python("clean", "letters", environment="packages"),
        PythonEnvironmentComputeNodeDefinition(name="packages", requirements_txt=""),
        RawDataNodeDefinition(name="letters", is_required=True),
        RawDataNodeDefinition(name="notes", is_required=False),
    ]
    room = configuration("Picture", AUTHOR, nodes, Participant(user=OTHER, data_owner_of=("letters",)))
    # What the rules would refuse is pictured as well, and does no harm.
    room["nodes"][4]["name"] = NASTY
    path = imports(author, room)
    page = author.goes_to(f"{path}/picture")

    letters = page.get_by_role("button", name="letters")
    expect(letters).to_contain_text(f"data: {AUTHOR} and {OTHER}")
    expect(page.get_by_role("button", name="report")).to_contain_text(f"runs: {AUTHOR}")
    expect(page.get_by_role("button", name=NASTY)).to_contain_text("not required")
    expect(page.locator(".react-flow__edge")).to_have_count(4)
    dashed = page.locator(".react-flow__edge path.react-flow__edge-path").evaluate_all(
        "paths => paths.filter((path) => getComputedStyle(path).strokeDasharray !== 'none').length"
    )
    assert dashed == 1
    author.finds_it_accessible()
    author.takes_picture("picture")

    # One stop of the Tab key, and arrows from each node to the next, never before what it needs.
    letters.focus()
    page.keyboard.press("Home")
    seen = [focused(page)]
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        seen.append(focused(page))
    assert sorted(seen) == sorted(["letters", "packages", "clean", "report", NASTY])
    assert seen.index("letters") < seen.index("clean") > seen.index("packages")
    assert seen[-1] == "report"
    page.keyboard.press("ArrowDown")
    assert focused(page) == "report"

    # The same as a list.
    page.get_by_text("The same as a list").click()
    item = page.get_by_role("listitem").filter(has_text="clean, Python;")
    expect(item).to_contain_text(f"may be run by {AUTHOR}; needs letters and packages; needed by report")

    # Enter goes to the node.
    page.get_by_role("button", name="report").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{path}/computations\\?node=report$"))
    page.emulate_media(color_scheme="dark")
    page.get_by_role("tab", name="Picture").click()
    expect(page.get_by_role("button", name="report")).to_be_visible()
    author.finds_it_accessible()


def test_a_hundred_nodes_are_there_at_once(person: Callable[..., Person]) -> None:
    author = person(AUTHOR)
    author.trusts_software()
    nodes: list[NodeDefinition] = [RawDataNodeDefinition(name=f"data {at}", is_required=True) for at in range(20)]
    for at in range(20, 100):
        near = f"data {at - 20}" if at < 40 else f"step {at - 20}"
        nodes.append(python(f"step {at}", *{near, f"data {at * 7 % 20}"}))
    path = imports(author, configuration("Large", AUTHOR, nodes))
    page = author.goes_to(f"{path}/picture")
    expect(page.locator("[data-node]")).to_have_count(100)
    # Once more, when all is loaded: from the click to the picture being painted.
    page.get_by_role("tab", name="Permissions").click()
    expect(page.locator("[data-node]")).to_have_count(0)
    took = page.evaluate(
        """async () => {
          const began = performance.now();
          document.querySelector("[role=tab][id$=picture]").click();
          const frame = () => new Promise(requestAnimationFrame);
          while (document.querySelectorAll("[data-node]").length < 100) await frame();
          await frame();
          await frame();
          return performance.now() - began;
        }"""
    )
    print(f"100 nodes in {took:.0f} ms")
    # On a machine that has nothing else to do it takes a fraction of this.
    assert took < 10_000
    everything = page.locator("[data-node]").evaluate_all(
        """nodes => {
          const frame = document.querySelector(".react-flow").getBoundingClientRect();
          return nodes.every((node) => {
            const { left, right, top, bottom } = node.getBoundingClientRect();
            return left >= frame.left && right <= frame.right && top >= frame.top && bottom <= frame.bottom;
          });
        }"""
    )
    assert everything


def test_a_published_room_shows_how_it_stands(person: Callable[..., Person], installation: Installation) -> None:
    client = installation.client(OTHER)
    nodes: list[NodeDefinition] = [
        RawDataNodeDefinition(name="letters", is_required=True),
        RawDataNodeDefinition(name="notes", is_required=True),
        python("count", "letters"),
    ]
    builder = AnalyticsDcrBuilder(client=client).with_name("Stands").with_owner(OTHER)
    for node in nodes:
        builder.add_node_definition(node)
    builder.add_participant(OTHER, data_owner_of=["letters", "notes"]).add_participant(AUTHOR, analyst_of=["count"])
    room = client.publish_analytics_dcr(builder.build())
    author = person(AUTHOR)
    author.trusts_software()
    page = author.goes_to(f"/rooms/{room.id}/picture")
    letters = page.get_by_role("button", name="letters")
    expect(letters).to_contain_text("waits for data")
    author.finds_it_accessible()
    letters.click()
    expect(page).to_have_url(re.compile("/definition\\?node=letters$"))
    expect(page.get_by_role("button", name="letters")).to_be_focused()
