"""What is published is what everybody reads: of the same types, equal, and one and the same bytes."""

from __future__ import annotations

import string
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.analytics import (
    AnalyticsDcrBuilder,
    AnalyticsDcrDefinition,
    FileContent,
    Limits,
    NodeDefinition,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
)
from cloister.rooms.definition import ImageReference, Issuer, Reference, read_definition
from cloister.sdk.definitions import definition_of
from cloister.sdk.high_level import high_level

KNOWN = Reference(evidence="insecure-software", measurement="11" * 32)
OWNER, OTHER = "owner@example.org", "other@example.org"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
scripts = st.one_of(texts.filter(str.strip), texts.filter(str.strip).map(str.encode))
names = st.lists(
    st.from_regex(r"[A-Za-z]([A-Za-z0-9_ -]{0,20}[A-Za-z0-9])?", fullmatch=True), min_size=2, max_size=6, unique=True
)
limits = st.builds(
    Limits,
    memory_bytes=st.integers(1, 2**40),
    pids=st.integers(1, 10_000),
    cpus=st.floats(0.01, 1024),
    wall_seconds=st.integers(1, 10**6),
)
files = st.lists(
    st.tuples(st.text(string.ascii_letters, min_size=1, max_size=8), st.one_of(texts, texts.map(str.encode))),
    max_size=3,
    unique_by=lambda file: file[0],
)


@st.composite
def built(draw: st.DrawFn) -> AnalyticsDcrDefinition:
    """A room of some data nodes and computations, each of which reads some of those before it."""
    chosen = draw(names)
    use_ids = draw(st.booleans())
    ids = [f"id-{number}" if use_ids else name for number, name in enumerate(chosen)]
    cut = draw(st.integers(1, len(chosen) - 1))
    nodes: list[NodeDefinition] = [
        RawDataNodeDefinition(name, draw(st.booleans()), node_id if use_ids else None)
        for name, node_id in zip(chosen[:cut], ids[:cut], strict=True)
    ]
    for number in range(cut, len(chosen)):
        mounted = draw(st.lists(st.sampled_from(ids[:number]), unique=True))
        clash = "code" in [chosen[ids.index(each)] for each in mounted]
        nodes.append(
            PythonComputeNodeDefinition(
                chosen[number],
                draw(scripts),
                None if clash else [FileContent(name, content) for name, content in draw(files)],
                mounted,
                draw(st.booleans()),
                draw(st.booleans()),
                id=ids[number] if use_ids else None,
                limits=draw(st.none() | limits),
            )
        )
    return (
        AnalyticsDcrBuilder(client=cast(Any, None))
        .with_name(draw(st.text(string.printable.strip(), min_size=1, max_size=20)))
        .with_description(draw(texts))
        .with_owner(OWNER)
        .add_node_definitions(draw(st.permutations(nodes)))
        .add_participant(OTHER, data_owner_of=ids[:cut], analyst_of=ids[cut:])
        .build()
    )


@settings(max_examples=60)
@given(definition=built())
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
