"""Scripts written for the documented SDK, run unchanged: those that lie beside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import Installation

FOLDER = Path(__file__).parents[3] / "shared/conformance"
USER = "conformance@example.org"


@pytest.mark.parametrize("way", ["CLOISTER_URL", "DECENTRIQ_HOST"])
@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_it_runs_unchanged_and_again(installation: Installation, tmp_path: Path, script: Path, way: str) -> None:
    host, _, port = installation.url.removeprefix("http://").partition(":")
    where = {
        "CLOISTER_URL": {"CLOISTER_URL": installation.url},
        "DECENTRIQ_HOST": {"DECENTRIQ_HOST": host, "DECENTRIQ_PORT": port, "DECENTRIQ_USE_TLS": "false"},
    }[way]
    environment = {
        **os.environ,
        **where,
        "CLOISTER_HOME": str(tmp_path),
        "CLOISTER_TRUST_SOFTWARE_ENCLAVE": "1",
        "CONFORMANCE_USER": USER,
        "CONFORMANCE_TOKEN": installation.token(USER),
    }
    for _ in range(2):
        ran = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith(f"conformance: {script.stem} ok")
