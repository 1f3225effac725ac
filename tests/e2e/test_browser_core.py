"""The browser's library against a real installation: all that a user does but screens; then the room from Python."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, compute_node

UI = Path(__file__).resolve().parents[2] / "ui"
VITE = UI / "node_modules" / "vite" / "bin" / "vite.js"
PERSON, COLLEAGUE = "person@browser.example", "colleague@browser.example"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not VITE.exists() or shutil.which("node") is None, reason="ui/ was not set up: npm ci there"),
]


def journey(installation: Installation, folder: Path) -> dict[str, Any]:
    """What somebody has seen who did all that a browser's user does."""
    # Minified, as browsers get it: classes have other names there.
    options = ["--ssr", "tests/journey/journey.ts", "--minify", "--logLevel", "error"]
    build = ["node", str(VITE), "build", *options, "--outDir", str(folder)]
    subprocess.run(build, cwd=UI, check=True, timeout=120)
    token = installation.token(PERSON)
    arguments = {"url": installation.url, "token": token, "email": PERSON, "colleague": COLLEAGUE}
    done = subprocess.run(
        ["node", "--no-warnings", folder / "journey.js", json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


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
