"""What a query's FROM gives, as the query's names see it and as we name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cloister_tables.privacy.functions import Kind
from cloister_tables.privacy.nodes import Node, Refused


class Origin(NamedTuple):
    """A column of a table of the room, as it is."""

    ref: str
    """Our name for the table at this place of the query."""
    table: str
    column: str


@dataclass(frozen=True)
class Value:
    """An expression, written anew."""

    node: Node
    kind: Kind
    raw: str | None = None
    """Where it is a column of a protected table as it is: our name for the ids of that table's rows."""
    origin: Origin | None = None
    """Where it is a column of any table as it is: which."""
    length: int = 1
    """How many times as long as its longest part a text can have become."""


class Field(NamedTuple):
    """A column that a query can name."""

    name: str | None
    """None where it has no name that a query could say."""
    value: Value


class Seen(NamedTuple):
    qualifier: str | None
    field: Field
    bare: bool
    """Whether it can be named without its table: not where USING has put two columns together."""


@dataclass(frozen=True)
class Relation:
    """Rows with named columns.

    With ids of rows of protected tables (`rows`) it is *protected*: it may be filtered, joined and grouped, but not
    shown. Without, it is *safe*.
    """

    source: Node
    """For FROM."""
    seen: tuple[Seen, ...]
    rows: tuple[str, ...] = ()
    """Our names for the columns that hold the ids of rows of protected tables; one for each time that one is named, and
    the same as its `Origin.ref`."""
    once: frozenset[str] = frozenset()
    """Tables of the room, by `Origin.ref`, each of whose rows is in one row of this at most."""

    @classmethod
    def of(
        cls, source: Node, name: str | None, fields: Sequence[Field], rows: tuple[str, ...], once: frozenset[str]
    ) -> Relation:
        """One table or query in FROM."""
        return cls(source, tuple(Seen(name, each, True) for each in fields), rows, once)

    def named(self, name: str) -> Field | None:
        """The column of that name without a table.

        Raises:
            Refused: there are several.
        """
        found = [each.field for each in self.seen if each.bare and _same(each.field.name, name)]
        if len(found) > 1:
            raise Refused(f"there are several columns '{name}': write which table's is meant")
        return found[0] if found else None

    def qualified(self, table: str, name: str) -> Field | None:
        """The column of that name in a table.

        Raises:
            Refused: there are several.
        """
        found = [each.field for each in self.seen if _same(each.qualifier, table) and _same(each.field.name, name)]
        if len(found) > 1:
            raise Refused(f"there are several columns '{table}.{name}': give each table a name of its own")
        return found[0] if found else None

    def all(self, table: str) -> list[Field]:
        """What a star stands for; that of a table where it is named."""
        if table:
            return [each.field for each in self.seen if _same(each.qualifier, table)]
        return [each.field for each in self.seen if each.bare]

    def bare_names(self) -> list[str]:
        """Names that can stand without a table, in order."""
        return [each.field.name for each in self.seen if each.bare and each.field.name]

    def hide(self, names: Sequence[str]) -> tuple[Seen, ...]:
        """Its columns where those of these names need their table's."""
        return tuple(
            each._replace(bare=each.bare and not any(_same(each.field.name, name) for name in names))
            for each in self.seen
        )

    def seen_with(self, together: Sequence[Seen], names: Sequence[str]) -> tuple[Seen, ...]:
        """The same, with the columns that USING has made where those of these names were."""
        found: list[Seen] = []
        for before, after in zip(self.seen, self.hide(names), strict=True):
            if before.bare and not after.bare:
                found += [each for each in together if _same(each.field.name, before.field.name or "")]
            found.append(after)
        return tuple(found)


def merged(name: str, value: Value) -> Seen:
    """The one column that USING makes of two."""
    return Seen(None, Field(name, value), True)


NOTHING = Relation({"type": "EMPTY", "alias": "", "sample": None}, ())


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.casefold() == other.casefold()


@dataclass(frozen=True)
class Known:
    """A table of the room."""

    ours: str
    """The name of the table in the database that the query is run in."""
    columns: tuple[tuple[str, str, Kind], ...]
    """Of each column its name, ours, and what is known of its values."""
    protected: bool


@dataclass
class Names:
    """Makes names that nothing else has."""

    _used: int = field(default=0)

    def new(self, prefix: str) -> str:
        """A name for a table or column that is made."""
        self._used += 1
        return f"{prefix}{self._used}"
