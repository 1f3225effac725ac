"""Receipts as they are shown around: whoever takes part in the room can check one, and nothing else passes for one."""

from __future__ import annotations

import base64
import json

import pytest

from cloister.analytics import AnalyticsDcr, AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.errors import ReceiptInvalid
from cloister.sdk.client import Client
from tests.installation import Installation, attach, compute_node, run

COPY = """
with open("/input/data") as source, open("/output/copy", "w") as target:
    target.write(source.read())
"""


def publish(author: Client, owner: Client) -> AnalyticsDcr:
    """A room whose author is its analyst; somebody else has the data."""
    builder = AnalyticsDcrBuilder(client=author).with_name("Receipts").with_owner(author.user_email)
    builder.add_node_definition(RawDataNodeDefinition(name="data", is_required=True))
    builder.add_node_definition(PythonComputeNodeDefinition(name="copy", script=COPY, dependencies=["data"]))
    builder.add_participant(author.user_email, analyst_of=["copy"])
    builder.add_participant(owner.user_email, data_owner_of=["data"])
    return author.publish_analytics_dcr(builder.build())


def test_every_participant_can_check_a_receipt(installation: Installation) -> None:
    author, owner = installation.client("author@receipts.example"), installation.client("owner@receipts.example")
    room = publish(author, owner)
    at_owner = owner.retrieve_analytics_dcr(room.id)
    attach(at_owner, "data", b"first")
    run(room, "copy")
    receipt = compute_node(room, "copy").receipt
    assert receipt is not None

    body = at_owner.verify_receipt(receipt)
    assert body.room == room.id
    assert body.node == "copy"
    assert [each.node for each in body.inputs] == ["data"]
    assert body == room.verify_receipt(receipt)

    changed = json.loads(receipt)
    payload = json.loads(base64.b64decode(changed["payload"]))
    payload["predicate"]["log_index"] += 1
    changed["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    with pytest.raises(ReceiptInvalid, match="changed"):
        at_owner.verify_receipt(json.dumps(changed).encode())
    with pytest.raises(ReceiptInvalid):
        at_owner.verify_receipt(b"{}")

    with pytest.raises(ReceiptInvalid, match="another computation"):
        publish(author, owner).verify_receipt(receipt)
