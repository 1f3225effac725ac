"""`cloister demo`, as somebody who has just installed Cloister runs it."""

from __future__ import annotations

import base64
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import psutil
import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from cloister.cli.operators.demo import STOP_SECONDS
from cloister.formats.receipt import key_id, read_receipt, sigstore_bundle
from tests.documents import ROOT

BANDS = {10: "below 10", 50: "10 to 50", 150: "50 to 150"}
DEMO = [sys.executable, "-m", "cloister.cli", "demo"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the demo printed, and its folder."""
    folder = tmp_path_factory.mktemp("demo") / "here"
    done = subprocess.run([*DEMO, "--data", folder], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout, folder


@pytest.mark.slow
def test_as_the_readme_says(tmp_path: Path) -> None:
    """Where everything is there already, it installs nothing and says nothing of it."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "apt-get" not in done.stdout
    assert len(list(tmp_path.rglob("stay.csv"))) == 1


def test_the_first_screen_says_what_software_mode_is_worth(told: tuple[str, Path]) -> None:
    first = " ".join(told[0].replace("!", "").split()[:160])
    assert "nothing protects the data from whoever operates this machine" in first


def test_it_fits_a_plain_terminal(told: tuple[str, Path]) -> None:
    output, folder = told
    assert "\x1b" not in output
    assert "\r" not in output
    lines = [line for line in output.splitlines() if str(folder) not in line]
    assert max(map(len, lines)) <= 80


def test_who_may_not_is_told_so(told: tuple[str, Path]) -> None:
    flat = " ".join(told[0].split())
    assert flat.count("refused ") >= 6
    for error in (
        "EvidenceRejected: This enclave runs without a trusted execution environment",
        "NotFoundError: There is no such room",
        "AuthorizationError: You may not run the computation: that takes the analyst of the node.",
        "AuthorizationError: You may not remove a dataset: that takes the data owner of the node.",
        "BadRequestError: The computation 'stay-by-crp' needs data that is not there yet",
        "NotFoundError: There is no such part of a complete blob.",
    ):
        assert error in flat


def test_the_table_is_what_one_would_work_out_by_hand(told: tuple[str, Path]) -> None:
    folder = told[1]
    crp = {row["patient_id"]: float(row["crp_mg_per_l"]) for row in _rows(folder / "lab" / "lab.csv")}
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in _rows(folder / "hospital" / "hospital.csv"):
        if row["patient_id"] in crp:
            band = next((name for top, name in BANDS.items() if crp[row["patient_id"]] < top), "150 or more")
            groups[row["treatment"], band].append(int(row["days_in_hospital"]))
    shown = {(row["treatment"], row["crp_mg_per_l_band"]): row for row in _rows(folder / "analyst" / "stay.csv")}
    assert shown.keys() == {group for group, days in groups.items() if len(days) >= 10}
    assert len(shown) < len(groups), "no group is small: the demo would show nothing of suppression"
    for group, row in shown.items():
        assert int(row["patients"]) == len(groups[group])
        assert float(row["mean_days"]) == pytest.approx(statistics.fmean(groups[group]), abs=0.0051)


def test_the_picture_is_one(told: tuple[str, Path]) -> None:
    picture = (told[1] / "analyst" / "stay.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")
    assert len(picture) > 20_000


def test_the_receipt_holds_for_us_and_for_others(told: tuple[str, Path]) -> None:
    analyst = told[1] / "analyst"
    receipt = (analyst / "receipt.dsse.json").read_bytes()
    room = json.loads(base64.b64decode(json.loads(receipt)["payload"]))["predicate"]["room"]
    # What the analyst's machine remembers of the enclave that has proven itself.
    remembered = (analyst / "state" / "checkpoints" / f"{room}.json").read_text()
    signing = bytes.fromhex(json.loads(remembered)["signing"])

    _, body = read_receipt(receipt, signing)
    assert body.enclave.evidence == "insecure-software"
    assert [each.node for each in body.inputs] == ["hospital", "lab"]

    envelope = Envelope.from_dict(json.loads(receipt))
    envelope.verify([SSlibKey(key_id(signing), "ed25519", "ed25519", {"public": signing.hex()})], 1)
    assert json.loads((analyst / "receipt.sigstore.json").read_text()) == sigstore_bundle(receipt)


def test_the_log_is_there_and_names_everybody(told: tuple[str, Path]) -> None:
    log = (told[1] / "hospital" / "audit-log.txt").read_text()
    assert all(line.count(",") == 4 for line in log.splitlines())
    assert {line.split(",")[1].partition("@")[0] for line in log.splitlines()} == {"hospital", "lab", "analyst"}


def test_the_hub_has_nothing_readable(told: tuple[str, Path]) -> None:
    output, folder = told
    stored = b"".join(path.read_bytes() for path in (folder / "cloister" / "hub").rglob("*") if path.is_file())
    for row in _rows(folder / "hospital" / "hospital.csv"):
        assert row["name"].encode() not in stored
    assert "0            the name of a patient" in output


def test_everything_is_stopped(told: tuple[str, Path]) -> None:
    assert not processes_about(told[1])


def test_a_folder_in_use_is_left_alone(told: tuple[str, Path]) -> None:
    again = subprocess.run([*DEMO, "--data", told[1]], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 2
    assert "is not empty" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_stops_everything_and_tidies_up(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "here"
    with subprocess.Popen([*DEMO, "--data", folder, "--no-keep"], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "listens at" in line:
                os.kill(demo.pid, number)
                break
        demo.stdout.read()
        # Python ends by the signal itself where it came while a class was made of text, as dataclasses are. Shells say
        # 130 of both.
        assert demo.wait(STOP_SECONDS) in (130, -signal.SIGINT)
    assert not processes_about(folder)
    assert not folder.exists()


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def processes_about(folder: Path) -> list[psutil.Process]:
    """Processes that were started on that folder."""
    return [each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or [])]
