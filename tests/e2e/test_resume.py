"""An upload whose process is killed, and then the hub too: what has arrived stays, and only the rest is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloister.formats.dataset import PART_SIZE
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.resume import UploadRecords
from cloister.sdk.uploads import Transfers
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience
from cloister.wire.transfers import download
from tests.installation import Installation

USER = "uploader@resume.example"
PARTS = 5


@pytest.mark.slow
def test_the_client_is_killed_and_the_hub_too(own_installation: Installation, tmp_path: Path) -> None:
    file, home, key = tmp_path / "data.bin", tmp_path / "home", Key()
    file.write_bytes(os.urandom((PARTS - 1) * PART_SIZE + 7))
    running = own_installation.start()
    token = running.token(USER)
    stop = 3 * PART_SIZE
    given = [running.url, token, USER, home, file, key.material.hex(), stop]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.uploader", *map(str, given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [int(process.stdout.readline()) for _ in range(3)] == [PART_SIZE, 2 * PART_SIZE, stop]
        process.kill()
    running.crash("hub")
    running.start()

    hub = Hub(running.url, token)
    (record,) = (home / "uploads").glob("*.jsonl")
    before = hub.blob(json.loads(record.read_text().splitlines()[0])["dataset"])
    assert not before.complete
    assert len(before.parts) in (3, 4), "the fourth was on its way when the client died"
    records = UploadRecords(StateFolder(home), running.url, USER)
    manifest = Transfers(hub, Patience(), records=records).upload(file, key)
    # Encrypting never gives the same bytes twice: what is the same was not sent again.
    assert [part.sha256 for part in manifest.parts[:3]] == [part.sha256 for part in before.parts[:3]]
    back = tmp_path / "back.bin"
    with back.open("wb") as into:
        download(hub, manifest, key.material, into, patience=Patience())
    assert back.read_bytes() == file.read_bytes()
    assert not list((home / "uploads").glob("*.jsonl"))
    hub.close()
    assert running.stop() == 0
