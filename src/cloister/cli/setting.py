"""What a setting is: a line of the file, a variable of the environment, and an option, declared in one place."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click

Section = Literal["up", "hub", "enclave", "worker", "log"]

FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder; made where it is missing."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file that is there."""

PORT = click.IntRange(0, 65535)
SECONDS = click.FloatRange(0)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting. Its name is the key in its section of the file."""

    section: Section
    name: str
    help: str
    """One or two sentences, with units."""
    kind: click.ParamType[Any]
    default: Any = None
    required: bool = False
    many: bool = False
    """Whether the option may be repeated; a list in the file, words in the variable."""
    shown: bool = True
    """Whether ``--help`` shows the option."""
    example: object = None
    """For the sample file, where there is no default."""
    option: str = ""
    """The option's name where it isn't the setting's."""

    @property
    def parameter(self) -> str:
        """The name of the command's parameter."""
        return (self.option or self.name).replace("-", "_")

    @property
    def variable(self) -> str:
        """The variable of the environment."""
        return f"CLOISTER_{self.section}_{self.name}".upper()

    @property
    def in_file(self) -> type:
        """What a TOML file holds for it."""
        simple: type = str
        if self.kind is click.BOOL:
            simple = bool
        elif isinstance(self.kind, click.IntRange) or self.kind is click.INT:
            simple = int
        elif isinstance(self.kind, click.FloatRange) or self.kind is click.FLOAT:
            simple = float
        return list[simple] if self.many else simple  # type: ignore[valid-type]

    def as_option(self) -> click.Option:
        """The option of a command."""
        flag = self.kind is click.BOOL
        return click.Option(
            [f"--{(self.option or self.name).replace('_', '-')}", self.parameter],
            type=None if flag else self.kind,
            is_flag=flag,
            default=self.default,
            show_default=self.default is not None and self.default is not False and self.default != (),
            required=self.required,
            multiple=self.many,
            envvar=self.variable,
            hidden=not self.shown,
            help=self.help,
        )


def picked(settings: type, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a command that are fields of a settings class, and were given."""
    names = {field.name for field in dataclasses.fields(settings)}
    return {name: value for name, value in parameters.items() if name in names and value is not None}


def taking(settings: Sequence[Setting]) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Decorates a command's function: it takes these settings, in this order."""

    def decorate(function: Callable[..., object]) -> Callable[..., object]:
        parameters = function.__dict__.setdefault("__click_params__", [])
        # click has them in the order of decorators, from the innermost one outwards.
        parameters.extend(setting.as_option() for setting in reversed(settings))
        function.__dict__.setdefault("cloister_settings", []).extend(settings)
        return function

    return decorate


def fields_of(section: Section, settings: type, declared: Sequence[Setting]) -> tuple[Setting, ...]:
    """The fields of a settings class that are not declared here by name."""
    known = {setting.name for setting in declared}
    words = _docstrings(settings)
    kinds = get_type_hints(settings)
    return tuple(
        Setting(
            section=section,
            name=field.name,
            help=words[field.name],
            kind=_kind(kinds[field.name]),
            default=None if field.default is dataclasses.MISSING else field.default,
            shown=False,
        )
        for field in dataclasses.fields(settings)
        if field.name not in known
    )


def _kind(annotation: Any) -> click.ParamType[Any]:
    if get_origin(annotation) in (Union, type(int | None)):
        (annotation,) = [each for each in get_args(annotation) if each is not type(None)]
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    kinds: dict[Any, click.ParamType[Any]] = {
        int: click.IntRange(0),
        float: click.FloatRange(0),
        bool: click.BOOL,
        str: click.STRING,
        Path: click.Path(path_type=Path),
    }
    return kinds[annotation]


def _docstrings(settings: type) -> dict[str, str]:
    """The docstrings below the fields of a class, which Python itself forgets."""
    words: dict[str, str] = {}
    for base in settings.__bases__:
        words |= {} if base is object else _docstrings(base)
    (declared,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(declared, ast.ClassDef)
    for field, below in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            words[field.target.id] = " ".join(ast.literal_eval(below.value).split()).replace("``", "")
    return words
