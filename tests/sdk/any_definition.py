"""Rooms with nodes of every kind, as Hypothesis draws them."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from typing import Any, cast

from hypothesis import strategies as st

from cloister.analytics import (
    AnalyticsDcrBuilder,
    AnalyticsDcrDefinition,
    Column,
    FileContent,
    FormatType,
    HashingAlgorithm,
    Limits,
    MaskType,
    MatchingComputeNodeConfig,
    MatchingComputeNodeDefinition,
    NodeDefinition,
    NumericRangeRule,
    PreviewComputeNodeDefinition,
    PrimitiveType,
    PythonComputeNodeDefinition,
    PythonEnvironmentComputeNodeDefinition,
    RawDataNodeDefinition,
    RComputeNodeDefinition,
    SqlComputeNodeDefinition,
    SqliteComputeNodeDefinition,
    SyntheticDataComputeNodeDefinition,
    SyntheticNodeColumn,
    TableDataNodeDefinition,
)

OWNER, OTHER = "owner@example.org", "other@example.org"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
scripts = st.one_of(texts.filter(str.strip), texts.filter(str.strip).map(str.encode))
names = st.lists(
    st.from_regex(r"[A-Za-z]([A-Za-z0-9_ -]{0,20}[A-Za-z0-9])?", fullmatch=True),
    min_size=3,
    max_size=8,
    unique_by=str.casefold,
)
limits = st.none() | st.builds(
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
column_names = st.lists(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=8),
    min_size=1,
    max_size=4,
    unique_by=str.casefold,
)
epsilons = st.floats(1e-6, 1000) | st.integers(1, 1000)
queries: st.SearchStrategy[Any] = st.recursive(
    st.integers(-(2**53), 2**53) | st.booleans() | texts,
    lambda inner: st.dictionaries(texts, st.lists(inner, max_size=2), min_size=1, max_size=2),
    max_leaves=4,
).filter(lambda query: isinstance(query, dict))


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    """Those of a table."""
    return [
        Column(
            kind := draw(st.sampled_from(FormatType)),
            name,
            draw(st.booleans()),
            draw(st.none() | st.sampled_from(HashingAlgorithm)),
            draw(ranges()) if kind in ("INTEGER", "FLOAT") else None,
        )
        for name in draw(column_names)
    ]


@st.composite
def ranges(draw: st.DrawFn) -> NumericRangeRule | tuple[float, float] | None:
    low, high = sorted(draw(st.tuples(st.integers(-(2**50), 2**50), st.integers(-(2**50), 2**50))))
    rule = NumericRangeRule()
    if draw(st.booleans()):
        rule.greater_than = low - draw(st.floats(0.5, 10))
    if draw(st.booleans()):
        rule.greater_than_equals = low
    if draw(st.booleans()):
        rule.less_than = high + 1
    if draw(st.booleans()):
        rule.less_than_equals = high
    return draw(st.sampled_from([None, rule, (low, high)]))


@st.composite
def table(draw: st.DrawFn, name: str, node_id: str | None) -> TableDataNodeDefinition:
    """A place for a table."""
    found = draw(columns())
    indices = st.lists(st.sampled_from(range(len(found))), min_size=1, unique=True)
    return TableDataNodeDefinition(
        name, found, draw(st.booleans()), node_id, draw(st.booleans()), draw(st.lists(indices, max_size=3))
    )


@st.composite
def computation(
    draw: st.DrawFn, name: str, node_id: str | None, tables: Sequence[NodeDefinition], before: Sequence[NodeDefinition]
) -> NodeDefinition:
    """One of any kind, over some of the tables, or of all nodes before it."""
    logs = (draw(st.booleans()), draw(st.booleans()))
    read = [each.id for each in draw(st.lists(st.sampled_from(before), unique=True))]
    asked = [each.id for each in draw(st.lists(st.sampled_from(tables), unique=True))]
    statement = draw(scripts)
    match draw(st.sampled_from(["python", "r", "environment", "sql", "sqlite", "synthetic", "match", "preview"])):
        case "python" | "r" as language:
            kind = PythonComputeNodeDefinition if language == "python" else RComputeNodeDefinition
            clash = any(each.name == "code" for each in before)
            found = None if clash else [FileContent(each, content) for each, content in draw(files)]
            return kind(name, statement, found, read, *logs, id=node_id, limits=draw(limits))
        case "environment":
            return PythonEnvironmentComputeNodeDefinition(name, draw(st.sampled_from(["", "# nothing"])), node_id)
        case "sql":
            least = draw(st.none() | st.integers(1, 2**31))
            return SqlComputeNodeDefinition(name, statement, asked, least, node_id, limits=draw(limits))
        case "sqlite":
            return SqliteComputeNodeDefinition(name, statement, asked, *logs, id=node_id)
        case "synthetic":
            return draw(synthetic(name, node_id, tables, logs))
        case "match" if len(tables) > 1:
            pair = draw(st.permutations(tables))[:2]
            query = draw(queries)
            config = MatchingComputeNodeConfig(
                query if draw(st.booleans()) else json.dumps(query),
                draw(st.integers(1, 10**9)),
                draw(epsilons),
                draw(st.floats(0.001, 10**9)),
                [f"{draw(st.sampled_from(['', '/input/']))}{each.name}/dataset.csv" for each in pair],
            )
            return MatchingComputeNodeDefinition(name, config, [each.id for each in pair], *logs, id=node_id)
        case _:
            quota = draw(st.none() | st.integers(0, 2**50))
            return PreviewComputeNodeDefinition(name, draw(st.sampled_from(before)).id, quota, node_id)


@st.composite
def synthetic(
    draw: st.DrawFn, name: str, node_id: str | None, tables: Sequence[NodeDefinition], logs: tuple[bool, bool]
) -> NodeDefinition:
    """Synthetic data of some columns of a table."""
    of = draw(st.sampled_from([each for each in tables if isinstance(each, TableDataNodeDefinition)]))
    kinds = st.sampled_from([*PrimitiveType, *FormatType, "STRING", "integer"])
    chosen = [
        SyntheticNodeColumn(
            draw(kinds),
            index,
            draw(st.sampled_from(MaskType)),
            draw(st.booleans()),
            draw(st.booleans()),
            draw(st.none() | st.just(f"column {index}")),
        )
        for index in draw(st.lists(st.sampled_from(range(len(of.columns))), min_size=1, unique=True))
    ]
    return SyntheticDataComputeNodeDefinition(
        name, chosen, of.id, draw(epsilons), draw(st.booleans()), *logs, id=node_id, limits=draw(limits)
    )


@st.composite
def rooms(draw: st.DrawFn) -> AnalyticsDcrDefinition:
    """A room of some data nodes, of which one is a table at least, and computations, each of which reads some of those
    before it."""
    chosen = draw(names)
    ids = [f"id-{number}" if draw(st.booleans()) else None for number in range(len(chosen))]
    cut = draw(st.integers(1, len(chosen) - 1))
    nodes: list[NodeDefinition] = [draw(table(chosen[0], ids[0]))]
    for number in range(1, cut):
        if draw(st.booleans()):
            nodes.append(draw(table(chosen[number], ids[number])))
        else:
            nodes.append(RawDataNodeDefinition(chosen[number], draw(st.booleans()), ids[number]))
    for number in range(cut, len(chosen)):
        tables = [
            each
            for each in nodes
            if not isinstance(each, RawDataNodeDefinition | PythonEnvironmentComputeNodeDefinition)
        ]
        nodes.append(draw(computation(chosen[number], ids[number], tables, nodes)))
    builder = (
        AnalyticsDcrBuilder(client=cast(Any, None))
        .with_name(draw(st.text(string.printable.strip(), min_size=1, max_size=20)))
        .with_description(draw(texts))
        .with_owner(OWNER)
        .add_node_definitions(draw(st.permutations(nodes)))
        .add_participant(
            OTHER,
            data_owner_of=[each.id for each in nodes[:cut]],
            analyst_of=[each.id for each in nodes[cut:]],
        )
    )
    if draw(st.booleans()):
        builder.with_privacy_budget(1000)
    return builder.build()
