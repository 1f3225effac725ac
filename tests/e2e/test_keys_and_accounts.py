"""Signing keys that follow each other, are stolen and destroyed, and accounts that end, while everything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cloister.analytics import AnalyticsDcrBuilder, RawDataNodeDefinition
from cloister.cli import cloister
from cloister.errors import AuthorizationError, BadRequestError, NotFoundError
from cloister.sdk.dcr import AnalyticsDcr
from tests.installation import Installation

ALICE, BOB = "alice@keys.example", "bob@keys.example"


def publish(installation: Installation) -> AnalyticsDcr:
    client = installation.client(ALICE)
    builder = AnalyticsDcrBuilder(client=client)
    builder.with_name("Keys").with_owner(ALICE).add_node_definition(RawDataNodeDefinition("data", is_required=False))
    builder.add_participant(ALICE, data_owner_of=["data"])
    builder.add_participant(BOB)
    return client.publish_analytics_dcr(builder.build())


@pytest.mark.slow
def test_keys_and_accounts(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data", tmp_path / "homes", options=("--workers", "1", "--warm", "0"))

    def told(*arguments: str) -> list[str]:
        said = CliRunner().invoke(cloister, [*arguments, "--data", str(installation.data)])
        assert said.exit_code == 0, said.output
        return said.output.splitlines()

    def bob(machine: str) -> AnalyticsDcr:
        return installation.client(BOB, machine=machine).retrieve_analytics_dcr(room.id)

    installation.start()
    try:
        room = publish(installation)
        pinned = {line.split()[0] for line in told("keys", "list")}
        assert len(pinned) == 2
        # 1. Rotated twice: the room is served by the newer of its two keys, on machines that it has not seen yet.
        bob("first")
        for _ in range(2):
            told("keys", "rotate")
        bob("second")
        newer = publish(installation)
        assert newer.definition.issuers[0].name == room.definition.issuers[0].name
        assert not set(newer.definition.issuers[0].keys) & set(room.definition.issuers[0].keys)
        # 2. Both keys of the room are stolen and destroyed: known devices go on, new ones are told why they can't.
        for key in pinned:
            told("keys", "destroy", key)
        bob("second").status()
        with pytest.raises(BadRequestError, match="Devices that the room knows already can go on"):
            bob("third")
        installation.client(BOB, machine="third").retrieve_analytics_dcr(newer.id)
        # 3. A lost machine is put out of the room from another one.
        lost = installation.client(BOB, machine="first").device_key
        bob("second").unbind_key(lost)
        with pytest.raises((BadRequestError, NotFoundError)):
            bob("first")
        assert lost not in bob("second").bound_keys()[BOB]
        # 4. An account that is disabled can do nothing, and is as before once it is enabled.
        client = installation.client(BOB, machine="second")
        told("user", "disable", BOB)
        with pytest.raises(AuthorizationError):
            client.retrieve_analytics_dcr(room.id)
        told("user", "enable", BOB)
        client.retrieve_analytics_dcr(room.id)
        installation.leave()
    finally:
        installation.stop()
