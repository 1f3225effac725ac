"""A computation that is cancelled ends at once, container and all; one that is only left goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cloister.analytics import AnalyticsDcr, AnalyticsDcrBuilder, PythonComputeNodeDefinition
from cloister.errors import BadRequestError, TimedOut
from cloister.sdk.client import Client
from tests.installation import Installation, compute_node

ANALYST, OTHER = "analyst@cancel.example", "other@cancel.example"
ENDLESS = "import time\nwhile True: time.sleep(60)"
GONE = 10.0
"""Seconds in which a container has ended at the latest."""


def publish(client: Client, script: str = ENDLESS) -> AnalyticsDcr:
    builder = AnalyticsDcrBuilder(client=client).with_name("Cancelled").with_owner(ANALYST)
    builder.add_node_definition(PythonComputeNodeDefinition(name="endless", script=script))
    builder.add_participant(ANALYST, analyst_of=["endless"]).add_participant(OTHER, analyst_of=["endless"])
    return client.publish_analytics_dcr(builder.build())


def ended(script: psutil.Process) -> float:
    """Seconds until the process is gone."""
    started = time.monotonic()
    script.wait(GONE)
    return time.monotonic() - started


def test_the_container_ends_at_once_and_the_log_tells(installation: Installation) -> None:
    room = publish(installation.client(ANALYST))
    node = compute_node(room, "endless")
    node.run_computation()
    script = installation.script()
    with pytest.raises(TimedOut, match="goes on") as caught:
        node.get_results_as_bytes(timeout=0.5)
    assert isinstance(caught.value, TimeoutError)
    assert script.is_running()
    node.cancel_computation()
    ended(script)
    with pytest.raises(BadRequestError, match=r"'endless' was cancelled\. Run it again"):
        node.get_results_as_zip()
    assert "Computation endless has ended without a result: cancelled,void run" in room.retrieve_audit_log()
    # The worker is free again, and the same can be asked for anew.
    node.run_computation()
    again = installation.script()
    node.cancel_computation()
    ended(again)


def test_what_another_analyst_waits_for_goes_on(installation: Installation) -> None:
    room = publish(installation.client(ANALYST))
    mine = compute_node(room, "endless")
    theirs = compute_node(installation.client(OTHER).retrieve_analytics_dcr(room.id), "endless")
    mine.run_computation()
    script = installation.script()
    theirs.run_computation()
    mine.cancel_computation()
    with pytest.raises(BadRequestError, match="was cancelled"):
        mine.get_results_as_bytes()
    with pytest.raises(TimedOut):
        theirs.get_results_as_bytes(timeout=0.5)
    assert script.is_running()
    theirs.cancel_computation()
    ended(script)


PROGRAM = """
import sys, cloister
client = cloister.create_client(sys.argv[1], sys.argv[2])
node = client.retrieve_analytics_dcr(sys.argv[3]).get_node("endless")
node.run_computation()
print("running", flush=True)
node.get_results_as_zip()
"""


def test_interrupted_at_the_keyboard_it_says_how_to_go_on(installation: Installation, tmp_path: Path) -> None:
    room = publish(installation.client(ANALYST))
    environment = {
        **os.environ,
        "CLOISTER_URL": installation.url,
        "CLOISTER_HOME": str(tmp_path),
        "CLOISTER_TRUST_SOFTWARE_ENCLAVE": "1",
    }
    command = [sys.executable, "-c", PROGRAM, ANALYST, installation.token(ANALYST), room.id]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "running\n"
        script = installation.script()
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    said = re.search(r"The computation 'endless' goes on\. cancel_computation\(\) .* job_id = '([0-9a-f]{64})'", errors)
    assert said is not None, errors
    assert script.is_running()
    # As it says: another program of the same user gets at it by that.
    node = compute_node(room, "endless")
    with pytest.raises(BadRequestError, match="64 hexadecimal digits"):
        node.job_id = "something else"
    node.job_id = said[1]
    with pytest.raises(TimedOut):
        node.get_results_as_bytes(timeout=0.5)
    node.cancel_computation()
    ended(script)
