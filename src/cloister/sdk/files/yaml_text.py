"""YAML without its surprises: values that JSON has too, and where each of them stands.

Numbers, ``true``, ``false`` and ``null`` are what YAML 1.2 says they are, so that ``no`` is a word and ``1e-3`` a
number. Keys are texts. Anchors, tags and keys that are there twice are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from cloister.errors import DefinitionInvalid

Place = tuple[str | int, ...]
"""Keys and indices, from the outermost value."""

_SCALARS = {
    "tag:yaml.org,2002:bool": re.compile(r"(?:true|false)\Z"),
    "tag:yaml.org,2002:null": re.compile(r"(?:null|~|)\Z"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?[0-9]{1,18}\Z"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"),
}
_WIDTH = 110


@dataclass
class Document:
    """What a file says, and where."""

    file: str
    """Its name, for messages."""
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    """Of values and their keys, from 1."""

    def error(self, place: Place, what: str) -> DefinitionInvalid:
        """The error that something is wrong there."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        line = f", line {self.lines[known]}" if known in self.lines else ""
        path = ".".join(str(each) for each in place)
        return DefinitionInvalid(f"{self.file}{line}{f', {path[:200]}' if path else ''}: {what}")


def load(text: str, file: str) -> Document:
    """
    Raises:
        DefinitionInvalid: it is not such YAML; the message says where.
    """
    document = Document(file)
    try:
        root = yaml.compose(text, Loader=_Loader)
        document.value = None if root is None else _value(root, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise DefinitionInvalid(f"{file}{line}: this is not YAML that rooms are written in: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise DefinitionInvalid(f"{file}: this is not YAML: {str(error)[:200]}.") from None
    except RecursionError:
        raise DefinitionInvalid(f"{file}: this is nested too deeply.") from None
    return document


def dump(value: Any) -> str:
    """YAML that `load` reads as the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - filled below, for this class alone

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # What stands for something else could stand for very much.
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="references (*) are not allowed; write it out", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as above

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        # Lists stand to the right of what they belong to.
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    # Other ends of lines, and what can't be seen, stay what they are between quotes alone.
    if not text.replace("\n", "").isprintable():
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


for _each in (_Loader, _Dumper):
    for _tag, _pattern in _SCALARS.items():
        _each.add_implicit_resolver(_tag, _pattern, None)
_Dumper.add_representer(str, _text)


def _value(node: yaml.Node, place: Place, document: Document) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
    match node, kind:
        case yaml.MappingNode(), "map":
            found: dict[str, Any] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag.startswith("!"):
                    raise document.error(place, "keys must be texts.")
                inner = (*place, key.value)
                if key.value in found:
                    document.lines[inner] = key.start_mark.line + 1
                    raise document.error(inner, "this is there twice. Keep one of them.")
                document.lines[inner] = key.start_mark.line + 1
                found[key.value] = _value(value, inner, document)
            return found
        case yaml.SequenceNode(), "seq":
            return [_value(each, (*place, index), document) for index, each in enumerate(node.value)]
        case yaml.ScalarNode(), "str":
            return node.value
        case yaml.ScalarNode(), ("bool" | "null" | "int" | "float") if _SCALARS[str(node.tag)].match(node.value):
            return _scalar(kind, node.value)
        case _:
            raise document.error(place, f"the tag {str(node.tag)[:64]!a} is not allowed.")


def _scalar(kind: str, text: str) -> bool | int | float | None:
    match kind:
        case "bool":
            return text == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
        case _:
            return None
