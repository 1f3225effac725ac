"""Which thing is meant: by id, by name, or by the beginning of either."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from cloister.cli.shown import plain, short
from cloister.errors import BadRequestError, NotFoundError

_LEAST = 4
"""Letters of the beginning of an id."""
_LISTED = 5


@dataclass(frozen=True)
class Named:
    """Something that has both."""

    id: str
    name: str


def chosen(wanted: str, things: Sequence[Named], *, what: str, listing: str, by_others: bool = False) -> Named:
    """The one thing that is meant.

    Args:
        what: the kind of thing, for messages.
        listing: the command that lists them.
        by_others: whether somebody else may have made and named them: then a whole name is nothing better than its
            beginning, so that nobody's "Salaries" comes between you and your "Salaries by team".

    Raises:
        NotFoundError: there is none; with those that are spelled alike.
        BadRequestError: there are several; with their ids.
    """
    for thing in things:
        if thing.id == wanted:
            return thing
    folded = wanted.casefold()
    named = [thing for thing in things if thing.name.casefold() == folded]
    if by_others or not named:
        named = [
            thing
            for thing in things
            if (wanted and thing.name.casefold().startswith(folded))
            or (len(wanted) >= _LEAST and thing.id.startswith(wanted))
        ]
    if len(named) == 1:
        return named[0]
    shown = plain(wanted[:80])
    if named:
        listed = ", ".join(f"{plain(thing.name)} ({short(thing.id)})" for thing in named[:_LISTED])
        more = f", and {len(named) - _LISTED} more" if len(named) > _LISTED else ""
        raise BadRequestError(f"{shown!r} may be any of these {what}s: {listed}{more}. Name one by its id.")
    close = difflib.get_close_matches(folded, [thing.name.casefold() for thing in things], n=1)
    alike = next((thing.name for thing in things if close and thing.name.casefold() == close[0]), None)
    hint = f" Did you mean {plain(alike)!r}?" if alike is not None else ""
    raise NotFoundError(f"There is no {what} {shown!r}.{hint} `{listing}` shows those that there are.")
