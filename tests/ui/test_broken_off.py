"""Uploads from a browser that are broken off: by a server that is killed, and by a page that is loaded anew."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation, run

from .people import Person

OWNER = "owner@broken.example"
MIB = 1024 * 1024
SCRIPT = """
import hashlib
with open("/input/film", "rb") as film, open("/output/digest", "w") as out:
    out.write(hashlib.file_digest(film, "sha256").hexdigest())
"""


def made(here: Installation) -> AnalyticsDcr:
    client = here.client(OWNER)
    builder = AnalyticsDcrBuilder(client=client).with_name("Broken off").with_owner(OWNER)
    builder.add_node_definition(RawDataNodeDefinition(name="film", is_required=True))
    builder.add_node_definition(PythonComputeNodeDefinition("digest", script=SCRIPT, dependencies=["film"]))
    builder.add_participant(OWNER, data_owner_of=["film"], analyst_of=["digest"])
    return client.publish_analytics_dcr(builder.build())


def begun(page: Page, file: Path) -> Locator:
    """Begins to upload the file; the dialog, once some of it has arrived."""
    page.get_by_role("button", name="Provide data: film").last.click()
    dialog = page.get_by_role("dialog", name="Data for film")
    dialog.locator("input[type=file]").set_input_files(file)
    dialog.get_by_role("button", name="Encrypt and provision").click()
    dialog.get_by_role("button", name="These are right: go on").click()
    expect(dialog.get_by_role("status")).to_contain_text(" MB of ")
    return dialog


@pytest.mark.slow
def test_a_server_that_is_killed_and_a_page_that_is_loaded_anew(
    own_installation: Installation, person: Callable[..., Person], tmp_path: Path
) -> None:
    here = own_installation.start()
    owner = person(OWNER, at=here)
    room = made(here)
    owner.trusts_software()
    file = tmp_path / "film.bin"
    file.write_bytes(os.urandom(128 * MIB))
    page = owner.goes_to(f"/rooms/{room.id}")

    # 1. The page goes away in the middle: what has arrived isn't sent again.
    begun(page, file)
    page.reload()
    sent = [request for request in owner.requests if request.method == "PUT" and "/parts/" in request.url]
    blobs = {request.url.split("/blobs/")[1].split("/")[0] for request in sent}
    assert len(blobs) == 1

    # 2. Chosen again, it goes on; then everything on the server is killed, and started again. The page waits for it.
    owner.expects("Failed to load resource: net::ERR_")
    dialog = begun(page, file)
    here.crash("up")
    here.start()
    expect(dialog).to_have_count(0, timeout=120_000)
    expect(page.get_by_role("article", name="film")).to_contain_text("Provided")
    sent = [request for request in owner.requests if request.method == "PUT" and "/parts/" in request.url]
    assert {request.url.split("/blobs/")[1].split("/")[0] for request in sent} == blobs
    assert run(room, "digest").read("digest").decode() == hashlib.sha256(file.read_bytes()).hexdigest()
