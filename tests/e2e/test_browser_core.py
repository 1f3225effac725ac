"""The browser's library against a real installation: all that a user does but screens; then the room from Python."""

from __future__ import annotations

import base64
import io
import json
import secrets
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloister.analytics import AnalyticsDcrDefinition
from cloister.sdk.report import RoomReport
from tests.installation import Installation, compute_node
from tests.pages import VITE, node

COLLEAGUE = "colleague@browser.example"

pytestmark = pytest.mark.slow


def journey(installation: Installation, folder: Path, name: str) -> dict[str, Any]:
    """What somebody new has seen who did all that a browser's user does; and who that was, as `email`."""
    email = f"{name}-{secrets.token_hex(4)}@browser.example"
    # Minified, as browsers get it: classes have other names there.
    options = ["--ssr", f"tests/journey/{name}.ts", "--minify", "--logLevel", "error"]
    node(VITE, "build", *options, "--outDir", folder)
    token = installation.token(email)
    arguments = {"url": installation.url, "token": token, "email": email, "colleague": COLLEAGUE}
    return {"email": email, **json.loads(node(folder / f"{name}.js", json.dumps(arguments)).stdout)}


def test_a_room_made_in_a_browser_is_the_same_from_python(installation: Installation, tmp_path: Path) -> None:
    seen = journey(installation, tmp_path, "journey")

    # Software evidence was refused until it was allowed.
    assert seen["refused"] == "ProtectionMissing"
    assert seen["evidence"] == "insecure-software"
    # The device key outlives the page; of the upload that was broken off nothing was sent twice, and nothing is left.
    assert seen["sameDevice"] is True
    assert seen["broken"] == "AbortError"
    assert seen["before"] == seen["kept"] > 0
    assert (seen["parts"], seen["done"], seen["forgotten"]) == (4, seen["size"], 0)
    assert seen["own"] == {"name": "numbers.bin", "attached": [{"room": seen["room"], "node": "numbers"}]}
    assert seen["same"] is True
    # The result is that of the data.
    assert "digest running" in seen["states"]
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(seen["archive"]))) as archive:
        assert archive.read("digest.txt").decode() == f"{seen['size']} {seen['digest']}"
        assert archive.read("container.log") == b"seen\n"

    # Somebody else sees the same with the SDK.
    client = installation.client(COLLEAGUE)
    room = client.retrieve_analytics_dcr(seen["room"])
    assert room.name == "Made in a browser"
    status = room.status()
    assert [(each.node, each.manifest) for each in status.attached] == [("numbers", seen["manifest"])]
    assert room.bound_keys()[seen["email"]] == [seen["device"]]
    fetched = io.BytesIO()
    compute_node(room, "digest").write_results(fetched, latest=True)
    assert fetched.getvalue() == base64.b64decode(seen["archive"])
    assert room.verify_receipt(base64.b64decode(seen["receipt"])).node == "digest"
    assert room.retrieve_audit_log().startswith(seen["log"])


def test_a_room_that_was_tested_in_a_browser_is_published(installation: Installation, tmp_path: Path) -> None:
    seen = journey(installation, tmp_path, "testing")
    report, failed, valid, invalid = (
        msgspec.convert(seen[each], RoomReport) for each in ("passed", "failed", "valid", "invalid")
    )

    # All is run, each after what it needs, and everything is shown.
    assert report.passed, str(report)
    assert [(node.name, node.outcome, node.console, node.files) for node in report.nodes] == [
        ("after", "passed", "", ("after.txt",)),
        ("count", "passed", "3 lines\n", ("count.txt",)),
        ("mean", "passed", "the values: [1.0, 2.0, 6.0]\n", ("mean.txt",)),
    ]
    told = seen["told"]
    assert told[0] == "lab uploading"
    assert told.index("mean passed") < next(place for place, each in enumerate(told) if each.startswith("after "))
    assert seen["changed"] == "The room was changed since it was tested. Test it again, then publish it."
    # Nobody has heard of the tests, and nothing of them is left.
    assert seen["rooms"] == [seen["room"]]
    assert seen["own"] == ["rows"]
    assert seen["kept"] is True

    # What was tested there is what is published here, and the other way round.
    client = installation.client(seen["email"])
    definition = AnalyticsDcrDefinition.from_json(seen["configuration"])
    assert definition.digest == report.digest
    published = client.publish_analytics_dcr(definition, tested=report)
    assert AnalyticsDcrDefinition.from_json(published.to_json()).digest == report.digest
    in_browser = client.retrieve_analytics_dcr(seen["room"])
    assert AnalyticsDcrDefinition.from_json(in_browser.to_json()).digest == report.digest

    # What fails says where; what needs it waits.
    assert [(node.name, node.outcome, node.needs) for node in failed.nodes] == [
        ("after", "skipped", "mean"),
        ("count", "passed", ""),
        ("mean", "failed", ""),
    ]
    assert "line 4" in failed.nodes[2].error
    assert "ZeroDivisionError" in failed.nodes[2].error
    assert "the values: []" in failed.nodes[2].error
    assert failed.empty == ("lab values",)

    # Tables are validated.
    assert valid.passed, str(valid)
    assert isinstance(valid.nodes[0].validation, dict)
    assert valid.nodes[0].validation["report"]["numRowsTotal"] == 2
    assert [(node.name, node.outcome, node.needs) for node in invalid.nodes] == [
        ("people", "failed", ""),
        ("ages", "skipped", "people"),
        ("look", "skipped", "people"),
    ]
    assert "INVALID_INTEGER_FORMAT (row 0, column 0)" in invalid.nodes[0].error
    assert "DUPLICATE_VALUES" in invalid.nodes[0].error

    # Who breaks a test off doesn't wait for its end.
    assert seen["aborted"] == "AbortError"
    assert seen["seconds"] < 45
