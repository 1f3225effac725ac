"""What is published is what everybody reads: of the same types, equal, and one and the same bytes."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings

from cloister.analytics import AnalyticsDcrDefinition
from cloister.rooms.definition import ImageReference, Issuer, Reference, read_definition
from cloister.sdk.definitions import definition_of
from cloister.sdk.high_level import high_level

from .any_definition import rooms

KNOWN = Reference(evidence="insecure-software", measurement="11" * 32)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(definition=rooms())
def test_a_retrieved_definition_is_the_published_one(definition: AnalyticsDcrDefinition) -> None:
    complete = definition.complete(
        nonce="00" * 32,
        issuer=Issuer(name="hub", keys=("22" * 32,)),
        enclaves=(KNOWN,),
        workers=(KNOWN,),
        images=[ImageReference(name=name, measurement="33" * 32) for name in definition.images],
        locks={},
    )
    sent = complete.canonical()
    retrieved = read_definition(sent, room=complete.id())
    assert retrieved == complete
    assert retrieved.canonical() == sent
    # As scripts see it: the same objects, of the same types down to every field, in the same order.
    read = [definition_of(record) for record in retrieved.nodes]
    assert read == definition.node_definitions
    for ours, theirs in zip(definition.node_definitions, read, strict=True):
        assert type(ours) is type(theirs)
        for name in (name for name in dir(ours) if not name.startswith("_")):
            mine, other = getattr(ours, name), getattr(theirs, name)
            assert mine == other
            assert type(mine) is type(other)
    assert high_level(retrieved) == definition.high_level
    # JSON, of nothing that JSON has no word for.
    assert json.loads(json.dumps(definition.high_level, allow_nan=False)) == definition.high_level
    names = {each.id: each.name for each in definition.node_definitions}
    (shown,) = definition.high_level.values()
    assert {each["id"]: each["name"] for each in shown["interactive"]["initialConfiguration"]["nodes"]} == names
