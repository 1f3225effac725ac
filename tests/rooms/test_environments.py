"""Requirements and locks: plain ones, and nothing that an installer could be told by them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import DefinitionInvalid, VerificationError
from cloister.formats.encoding import canonical, decode_canonical
from cloister.rooms.definition import read_definition
from cloister.rooms.environments import (
    MAX_REQUIREMENTS,
    MAX_REQUIREMENTS_LENGTH,
    LockedPackage,
    plain_requirements,
)
from cloister.rooms.graph import check_nodes
from cloister.rooms.limits import Limits, most
from cloister.rooms.nodes import Node, PythonEnvironmentNode, dependencies
from cloister.rooms.planning import derived, leaves, plan
from tests.rooms.examples import NODES, ROOM, python, room

LOCK = (LockedPackage(name="six", version="1.16.0", sha256=("ab" * 32,)),)
NO_LOCK: tuple[LockedPackage, ...] = ()


def environment(node: str = "packages", **changes: Any) -> PythonEnvironmentNode:
    fields: dict[str, Any] = {"requirements": "six\n", "lock": LOCK, "image": "python", **changes}
    return PythonEnvironmentNode(id=node, name=node, **fields)


WITH_ONE: tuple[Node, ...] = (*NODES, environment(), python("uses", "patients", environment="packages"))


def test_comments_and_empty_lines_are_left_out() -> None:
    text = "# first\n\n  six >= 1.0  # second\r\nPandas[excel]==2.1.1 ; python_version > '3'\n"
    assert plain_requirements(text) == ["six>=1.0", 'Pandas[excel]==2.1.1; python_version > "3"']
    assert plain_requirements("# nothing\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt",
        "--index-url https://elsewhere.example",
        "--find-links /tmp",
        "-e .",
        "six @ https://elsewhere.example/six.whl",
        "six@file:///six.whl",
        "https://elsewhere.example/six.whl",
        "git+https://elsewhere.example/six",
        "./six",
        "/six.whl",
        "six --hash=sha256:00",
        "six --config-settings=a=b",
        "six \\",
        "${SIX}",
        "six;",
        "six\x00",
        "six\u2028--index-url https://elsewhere.example",
        "six; 'a\\n--index-url https://elsewhere.example\\n' != os_name",
        "six; os_name == '\\x0a-r other.txt'",
        "six; os_name == 'a\"\\x27'",
        "six; os_name == 'a\tb'",
        f"six; {'(' * 10_000}os_name == 'a'{')' * 10_000}",
    ],
)
def test_anything_but_a_plain_requirement_is_refused(line: str) -> None:
    with pytest.raises(DefinitionInvalid, match=r"Line \d of the requirements") as caught:
        plain_requirements(f"pandas\n{line}\n")
    assert str(caught.value).isascii()


@given(st.text())
def test_no_text_becomes_an_option_or_more_than_a_line(text: str) -> None:
    try:
        wanted = plain_requirements(text)
    except DefinitionInvalid:
        return
    for each in wanted:
        assert each[0].isalnum()
        assert each.isprintable()
        assert " @ " not in each
        assert "://" not in each


def test_there_may_not_be_too_many() -> None:
    assert len(plain_requirements("six\n" * MAX_REQUIREMENTS)) == MAX_REQUIREMENTS
    with pytest.raises(DefinitionInvalid, match="are the most"):
        plain_requirements("six\n" * (MAX_REQUIREMENTS + 1))
    with pytest.raises(DefinitionInvalid, match="characters"):
        plain_requirements("#" * (MAX_REQUIREMENTS_LENGTH + 1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Six"),
        ("name", "six --index-url"),
        ("name", "-r"),
        ("name", "six\n"),
        ("name", ""),
        ("version", "1.0 --hash"),
        ("version", "1.0\n"),
        ("version", "@"),
        ("sha256", []),
        ("sha256", ["ab"]),
        ("sha256", ["AB" * 32]),
        ("url", "https://elsewhere.example"),
    ],
)
def test_a_lock_has_names_versions_and_hashes(field: str, value: Any) -> None:
    told = msgspec.to_builtins(LOCK[0])
    with pytest.raises(VerificationError):
        decode_canonical(canonical({**told, field: value}), LockedPackage, what="a package")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([environment(lock=NO_LOCK)], "not resolved"),
        ([environment(requirements="# nothing")], "no requirements that it could come from"),
        ([environment(lock=(*LOCK, *LOCK))], "twice"),
        ([environment(requirements="-r x")], "'packages' can't be used. Line 1"),
        ([environment(limits=Limits(pids=0))], "A limit of 'packages'"),
        ([python("uses", environment="packages")], "which is not in the room"),
        ([environment(image="other"), python("uses", environment="packages")], "Give both the same image"),
        ([python("one"), python("uses", environment="one")], "is no environment"),
        ([python("uses", environment="uses")], "depends on itself|is no environment"),
    ],
)
def test_what_does_not_go_together(nodes: list[Node], message: str) -> None:
    with pytest.raises(DefinitionInvalid, match=message):
        check_nodes(nodes)


def test_an_environment_without_requirements_is_none_at_all() -> None:
    check_nodes([environment(requirements="# for later\n", lock=NO_LOCK)])


def test_it_is_needed_and_not_read() -> None:
    definition = room(nodes=WITH_ONE)
    uses = definition.node("uses")
    assert uses is not None
    assert dependencies(uses) == ("patients", "packages")
    steps = plan(definition, definition.id(), "uses", {"patients": "a1" * 32})
    assert [step.node.id for step in steps] == ["packages", "uses"]
    assert [each.node for each in leaves(definition, "uses", {})] == ["patients"]
    # Removing data takes no environment away.
    assert "packages" not in derived(definition, "patients")
    assert dependencies(python("both", "packages", environment="packages")) == ("packages",)


def test_another_lock_is_another_question() -> None:
    keys = set()
    for lock in (LOCK, (msgspec.structs.replace(LOCK[0], sha256=("cd" * 32,)),)):
        definition = room(nodes=(*NODES, environment(lock=lock), python("uses", environment="packages")))
        keys.add(plan(definition, "11" * 32, "uses", {})[-1].cache_key)
    assert len(keys) == 2


def test_definitions_with_and_without_are_read_back() -> None:
    definition = room(nodes=WITH_ONE)
    assert read_definition(definition.canonical()) == definition
    # What has none says nothing of it: rooms of before keep their ids.
    assert b'"environment"' not in ROOM.canonical()


def test_limits_of_both() -> None:
    one, other = Limits(pids=1, cpus=8.0), Limits(pids=7, cpus=0.5)
    assert most(one, other) == Limits(pids=7, cpus=8.0)
