"""An installation that is copied while it runs, and put back: with all that there was, and with less."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.cli import cloister
from cloister.errors import RollbackDetected
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation, attach, run

ALICE, BOB = "alice@backup.example", "bob@backup.example"
OPTIONS = ("--workers", "1", "--warm", "0")
SCRIPT = "open('/output/out.txt', 'w').write(open('/input/words').read().upper())"


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    return tmp_path / "homes"


def told(*arguments: str | Path, code: int = 0) -> str:
    said = CliRunner().invoke(cloister, [str(each) for each in arguments])
    assert said.exit_code == code, said.output
    return said.output


def publish(installation: Installation) -> AnalyticsDcr:
    client = installation.client(ALICE)
    builder = AnalyticsDcrBuilder(client=client)
    builder.with_name("Backup").with_owner(ALICE)
    builder.add_node_definitions(
        [
            RawDataNodeDefinition("words", is_required=True),
            PythonComputeNodeDefinition("loud", script=SCRIPT, dependencies=["words"]),
        ]
    )
    builder.add_participant(ALICE, data_owner_of=["words"], analyst_of=["loud"])
    builder.add_participant(BOB)
    return client.publish_analytics_dcr(builder.build())


def result(room: AnalyticsDcr) -> str:
    return run(room, "loud").read("out.txt").decode()


@pytest.mark.slow
def test_backup_and_restore(tmp_path: Path, homes: Path) -> None:
    target = tmp_path / "backup"
    with_key = tmp_path / "sealing.key"
    first = Installation(tmp_path / "first", homes, OPTIONS).start()
    try:
        room = publish(first)
        attach(room, "words", b"hello")
        assert result(room) == "HELLO"
        assert "1 of them new" not in told("backup", first.data, target)
        # Again, to the same place: what is there is not copied again, what was deleted goes.
        assert " 0 of them new" in told("backup", first.data, target)
        assert not list(target.rglob("sealing.key"))
        shutil.copy(first.data / "enclave" / "sealing.key", with_key)
        bob = first.client(BOB).retrieve_analytics_dcr(room.id)
        shown = told("restore", first.data, "--from", target, code=1)
        assert shown == ""
        first.leave()
    finally:
        first.stop()

    # All that Alice has seen is there: only the log tells of it. Bob has seen one event more.
    second = Installation(tmp_path / "second", homes, OPTIONS)
    told("restore", second.data, "--from", target, "--sealing-key", with_key)
    second.start()
    try:
        again = second.client(ALICE).retrieve_analytics_dcr(room.id)
        assert result(again) == "HELLO"
        assert [line for line in again.retrieve_audit_log().splitlines() if ",restore," in line]
        client = second.client(BOB)
        with pytest.raises(RollbackDetected, match=r"operator has declared .*accept_restored_log"):
            client.retrieve_analytics_dcr(bob.id)
        evidence = client.accept_restored_log(bob.id)
        assert evidence is not None
        assert evidence.exists()
        client.retrieve_analytics_dcr(bob.id)
        assert client.accept_restored_log(bob.id) is None
        second.leave()
    finally:
        second.stop()
