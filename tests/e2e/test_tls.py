"""TLS end to end: the hub's door, for users and for the workers on its machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub.test_server import write_certificate
from tests.installation import Installation

SCRIPT = """
import io, os
import cloister
from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition

me = "tls@example.org"
client = cloister.create_client(me, os.environ["TOKEN"])
builder = AnalyticsDcrBuilder(client=client).with_name("TLS").with_owner(me)
builder.add_node_definition(RawDataNodeDefinition(name="data", is_required=True))
script = "open('/output/upper', 'w').write(open('/input/data').read().upper())"
builder.add_node_definition(PythonComputeNodeDefinition(name="upper", script=script, dependencies=["data"]))
builder.add_participant(me, data_owner_of=["data"], analyst_of=["upper"])
room = client.publish_analytics_dcr(builder.build())
room.get_node("data").upload_and_publish_dataset(io.BytesIO(b"over tls"), cloister.Key(), "data")
print(room.get_node("upper").run_computation_and_get_results_as_zip().read("upper").decode())
"""


def test_everything_over_tls(own_installation: Installation, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    own_installation.options = ("--workers", "1", "--tls-cert", str(certificate), "--tls-key", str(key))
    own_installation.start()
    assert own_installation.url.startswith("https://127.0.0.1:")
    environment = {
        **os.environ,
        "CLOISTER_URL": own_installation.url,
        "CLOISTER_TRUST_SOFTWARE_ENCLAVE": "1",
        "CLOISTER_HOME": str(tmp_path / "home"),
        "TOKEN": own_installation.token("tls@example.org"),
    }
    trusting = {**environment, "SSL_CERT_FILE": str(certificate)}
    ran = subprocess.run([sys.executable, "-c", SCRIPT], env=trusting, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "OVER TLS\n"), ran.stderr

    strict = {name: value for name, value in environment.items() if name != "SSL_CERT_FILE"}
    ran = subprocess.run([sys.executable, "-c", SCRIPT], env=strict, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "certificate" in ran.stderr.lower()


@pytest.mark.parametrize("options", [("--host", "0.0.0.0")])
def test_plain_http_beyond_this_machine_is_refused(own_installation: Installation, options: tuple[str, ...]) -> None:
    own_installation.options = ("--workers", "1", *options)
    with pytest.raises(AssertionError, match="TLS"):
        own_installation.start()
