"""The hub's HTTP interface, by Schemathesis: whatever is sent, an answer that the OpenAPI document describes.

It runs as a process of its own against a real hub over real sockets, from a fixed seed. What it checks: nothing gets
5xx; status codes, media types and bodies are documented ones; what doesn't fit (unknown fields, other types, absurd
numbers, NUL, missing headers) is refused, and what fits is not; methods that aren't there are 405, and `Allow` names
those that are; no operation works without a token; a token that was revoked is gone. What a blob goes through in its
life is `tests/fuzz/test_shelf.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloister.hub.accounts import add_user, add_worker
from cloister.hub.settings import KIB, HubSettings
from tests.documents import ROOT
from tests.hub.peers import RunningEnclave, RunningHub
from tests.s3 import BUCKET, S3Server

SECONDS = 120
"""After which a run is given up."""
PART = "PUT /v1/blobs/{blob_id}/parts/{index}"
ROOM = "PUT /v1/rooms/{room_id}"
PLACE = "POST /v1/blobs/{blob_id}/parts/{index}/place"
PLACED = "POST /v1/blobs/{blob_id}/parts/{index}/placed"
MESSAGES = "POST /v1/enclave/messages"

CONFIG = """
seed = 20
continue-on-failure = true
request-timeout = 20
warnings = false

[cache]
enabled = false

[generation]
no-shrink = true

# A body that is too large is refused as well, and a worker's token may not do everything.
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 413, 429]
missing_required_header.expected-statuses = [400, 401, 403, 404, 409]

# What the document can't say: a digest is that of the body (and no quota is exceeded) ...
[[operations]]
include-name = "{part}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 413]

# ... who enters a room is one of its participants ...
[[operations]]
include-name = "{room}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 429]

# ... how large a part may be ...
[[operations]]
include-name = "{place}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 413, 429]

# ... that what was permitted was sent ...
[[operations]]
include-name = "{placed}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 429]

# ... and messages are the enclave's to judge.
[[operations]]
include-name = "{messages}"
checks.negative_data_rejection.expected-statuses = [200, 400, 401, 403, 409, 413, 429]
"""


@dataclass(frozen=True)
class Target:
    """A hub, the tokens for it, and the folder that holds its description."""

    url: str
    account: str
    worker: str
    folder: Path


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The hub's description without "any other error": a status code is documented, or wrong."""
    for operations in document["paths"].values():
        for operation in operations.values():
            del operation["responses"]["default"]
    return document


def run(target: Target, token: str | None, *options: str) -> None:
    """One run of Schemathesis; what it has found is what the test says."""
    (target.folder / "schemathesis.toml").write_text(
        CONFIG.format(part=PART, room=ROOM, place=PLACE, placed=PLACED, messages=MESSAGES)
    )
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(target.folder / "schemathesis.toml")]
    command += ["run", str(target.folder / "openapi.json"), "--url", target.url, "--checks", "all", *options]
    if token is not None:
        command += ["--header", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        command,
        cwd=target.folder,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    told = "\n".join(line[:400] for line in done.stdout.splitlines() if line.strip())
    assert done.returncode == 0, told + done.stderr
    operations = sum(
        len(methods) for methods in json.loads((target.folder / "openapi.json").read_text())["paths"].values()
    )
    assert f"Tested: {operations}" in told


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Target]:
    """A hub whose blobs lie in S3, so that there are places to send parts to directly."""
    folder = tmp_path_factory.mktemp("schemathesis")
    plenty: dict[str, Any] = dict.fromkeys(("messages_per_second", "evidence_per_second"), 1e6)
    plenty |= dict.fromkeys(("messages_burst", "evidence_burst", "tokens_per_account", "rooms_per_account"), 10**6)
    plenty |= dict.fromkeys(("attempts_burst", "address_attempts_burst", "rooms_burst"), 10**6)
    plenty |= {"json_bytes": 128 * KIB, "blob_store_url": f"s3://{BUCKET}/fuzz"}
    with RunningEnclave() as enclave, pytest.MonkeyPatch.context() as environment:
        for name, value in s3.environment().items():
            environment.setenv(name, value)
        settings = HubSettings(data=folder / "hub", enclave_url=enclave.url, **plenty)
        account, worker = add_user(settings, "fuzz@example.com"), add_worker(settings, "worker")
        with RunningHub(settings) as hub, hub.client() as anybody:
            (folder / "openapi.json").write_text(json.dumps(strict(anybody.get("/openapi.json").json())))
            yield Target(hub.url, account, worker, folder)
            assert anybody.get("/readyz").status_code == 200


@pytest.mark.slow
def test_an_account(target: Target) -> None:
    run(target, target.account, "--max-examples", "12")


@pytest.mark.slow
def test_a_worker(target: Target) -> None:
    run(target, target.worker, "--max-examples", "4")


def test_nobody(target: Target) -> None:
    run(target, None, "--max-examples", "2", "--phases", "fuzzing")
