"""The browser's library against a real installation: all that a user does but screens; then the room from Python."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, compute_node
from tests.pages import VITE, node

PERSON, COLLEAGUE = "person@browser.example", "colleague@browser.example"

pytestmark = pytest.mark.slow


def journey(installation: Installation, folder: Path) -> dict[str, Any]:
    """What somebody has seen who did all that a browser's user does."""
    # Minified, as browsers get it: classes have other names there.
    options = ["--ssr", "tests/journey/journey.ts", "--minify", "--logLevel", "error"]
    node(VITE, "build", *options, "--outDir", folder)
    token = installation.token(PERSON)
    arguments = {"url": installation.url, "token": token, "email": PERSON, "colleague": COLLEAGUE}
    return dict(json.loads(node(folder / "journey.js", json.dumps(arguments)).stdout))


def test_a_room_made_in_a_browser_is_the_same_from_python(installation: Installation, tmp_path: Path) -> None:
    seen = journey(installation, tmp_path)

    # Software evidence was refused until it was allowed.
    assert seen["refused"] == "EvidenceRejected"
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
    assert room.bound_keys()[PERSON] == [seen["device"]]
    fetched = io.BytesIO()
    compute_node(room, "digest").write_results(fetched, latest=True)
    assert fetched.getvalue() == base64.b64decode(seen["archive"])
    assert room.verify_receipt(base64.b64decode(seen["receipt"])).node == "digest"
    assert room.retrieve_audit_log().startswith(seen["log"])
