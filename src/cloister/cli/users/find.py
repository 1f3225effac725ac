"""Rooms, nodes and datasets by what a user calls them."""

from __future__ import annotations

from typing import Any

from cloister.cli.users.names import Named, chosen
from cloister.errors import BadRequestError
from cloister.sdk.client import Client
from cloister.sdk.dcr import AnalyticsDcr
from cloister.sdk.nodes import ComputeNode, DataNode, Node, TableDataNode

_DIGITS = frozenset("0123456789abcdef")


def is_digest(text: str) -> bool:
    """Whether it is a whole id of a room or a dataset."""
    return len(text) == 64 and set(text) <= _DIGITS


def room(client: Client, wanted: str) -> AnalyticsDcr:
    """
    Raises:
        NotFoundError, BadRequestError: as `chosen`.
    """
    if is_digest(wanted):
        return client.retrieve_analytics_dcr(wanted)
    rooms = [Named(each["id"], each["title"]) for each in client.get_data_room_descriptions()]
    found = chosen(wanted, rooms, what="room", listing="cloister room list", by_others=True)
    return client.retrieve_analytics_dcr(found.id)


def node(dcr: AnalyticsDcr, wanted: str) -> Node:
    """
    Raises:
        NotFoundError, BadRequestError: as `chosen`.
    """
    nodes = [Named(each.id, each.name) for each in dcr.node_definitions]
    found = chosen(wanted, nodes, what="node", listing=f"cloister room show {dcr.id[:8]}")
    there = dcr.get_node(found.name)
    assert there is not None
    return there


def data_node(dcr: AnalyticsDcr, wanted: str) -> DataNode:
    """
    Raises:
        NotFoundError, BadRequestError: as `chosen`; or it is a computation.
    """
    found = node(dcr, wanted)
    if not isinstance(found, DataNode):
        raise BadRequestError(f"{found.name!r} is a computation, and no place for data. Run it: cloister run ROOM NODE")
    return found


def compute_node(dcr: AnalyticsDcr, wanted: str) -> ComputeNode:
    """
    Raises:
        NotFoundError, BadRequestError: as `chosen`; or it is a data node.
    """
    found = node(dcr, wanted)
    if not isinstance(found, ComputeNode):
        hint = " Validate it: cloister data validate ROOM NODE" if isinstance(found, TableDataNode) else ""
        raise BadRequestError(f"{found.name!r} is a place for data, and can't be run.{hint}")
    return found


def table_node(dcr: AnalyticsDcr, wanted: str) -> TableDataNode:
    """
    Raises:
        NotFoundError, BadRequestError: as `chosen`; or it is no table.
    """
    found = data_node(dcr, wanted)
    if not isinstance(found, TableDataNode):
        raise BadRequestError(f"{found.name!r} takes files of any content: there is nothing to validate.")
    return found


def dataset(client: Client, wanted: str) -> dict[str, Any]:
    """One of the user's datasets, as the SDK describes it.

    Raises:
        NotFoundError, BadRequestError: as `chosen`.
    """
    found = client.get_available_datasets()
    named = [Named(each["id"], each["name"]) for each in found]
    picked = chosen(wanted, named, what="dataset", listing="cloister data list")
    return next(each for each in found if each["id"] == picked.id)
