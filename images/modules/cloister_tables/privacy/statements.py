"""A whole statement: read, checked and written anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloister_tables.privacy import nodes
from cloister_tables.privacy.nodes import Node, Refused
from cloister_tables.privacy.relations import Known
from cloister_tables.privacy.selects import Selects
from cloister_tables.privacy.sources import Unique


@dataclass(frozen=True)
class Rewritten:
    """A statement that shows no group of fewer rows than it may."""

    document: Node
    """For `json_deserialize_sql`."""
    names: tuple[str | None, ...]
    """What its columns are called; None where they have no name."""
    needs_ids: bool
    """Whether it names the `rowid` of protected tables."""


def rewrite(query: Node, tables: Mapping[str, Known], minimum: int, unique: Unique) -> Rewritten:
    """Reads a query and writes it anew, such that each row of its result is made from at least so many rows of every
    protected table in it.

    Args:
        query: the node of the statement, as `json_serialize_sql` has it.
        tables: those that it may name.
        minimum: how many rows; at least 1.
        unique: tells which columns are keys.

    Raises:
        Refused: it can't be shown to be safe, and why.
    """
    try:
        # Ids take a table that was loaded. Where nothing counts them, they aren't there.
        reader = Selects(tables, minimum, unique, ids=True)
        made = reader.read(query, {})
        if not reader.needs_ids:
            made = Selects(tables, minimum, unique, ids=False).read(query, {})
    except RecursionError:
        raise Refused("the query is nested too deeply") from None
    if made.rows:
        named = ", ".join(f"'{name}'" for name, table in tables.items() if table.protected)
        raise Refused(
            f"it shows rows of protected tables ({named}) as they are: group them (GROUP BY), and count, sum or "
            f"average what is in them"
        )
    names = tuple(each.name for each in made.fields)
    return Rewritten(nodes.document(made.node), names, reader.needs_ids)
