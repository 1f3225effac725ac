"""Where settings come from: an option, else a variable of the environment, else the file, else the default.

The file is TOML, one table a part, named by ``--config`` or CLOISTER_CONFIG. Unknown tables and keys are refused:
what is misspelt would otherwise silently not be set.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from cloister.cli.operators.settings import LOG, sections
from cloister.cli.setting import Setting, taking
from cloister.errors import CloisterError
from cloister.logs import configure

CONFIG_VARIABLE = "CLOISTER_CONFIG"
F = TypeVar("F", bound=Callable[..., object])


def load(file: Path) -> dict[str, dict[str, Any]]:
    """The tables of a configuration file, checked; relative paths in it start at its folder.

    Raises:
        CloisterError: it can't be read, is not TOML, or holds what no setting is.
    """
    known = sections()
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CloisterError(f"The configuration {file} can't be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # also of numbers and lists beyond all measure
        raise CloisterError(f"The configuration {file} is not TOML: {error}.") from None
    for name, table in tables.items():
        if name not in known or not isinstance(table, dict):
            raise CloisterError(
                f"The configuration {file} has {name!r}, which is unknown. It may have the tables "
                f"{', '.join(f'[{each}]' for each in known)}; `cloister config sample` prints all there is."
            )
        try:
            msgspec.convert(table, _shape(name, known[name]))
        except msgspec.ValidationError as error:
            raise CloisterError(
                f"The configuration {file} is wrong in [{name}]: {error}. `cloister config sample` prints all there is."
            ) from None
        for setting in known[name]:
            if setting.name in table and isinstance(setting.kind, click.Path):
                table[setting.name] = str(file.parent / table[setting.name])
    return tables


def configured(settings: Sequence[Setting], *, logs: bool = True) -> Callable[[F], F]:
    """Decorates the function of a command: it takes these settings from wherever they are set, and ``--config``.

    Args:
        logs: whether it also takes those of the log, which is set up before the function is called.
    """
    wanted = (*settings, *(LOG if logs else ()))

    def decorate(function: F) -> F:
        taking(wanted)(function)
        option = click.Option(
            ["--config"],
            type=click.Path(dir_okay=False, path_type=Path),
            envvar=CONFIG_VARIABLE,
            is_eager=True,
            callback=lambda context, _option, file: _use(context, file, wanted),
            help="A TOML file with settings: of an option unless it is given, or is in the environment.",
        )
        function.__dict__["__click_params__"].insert(0, option)
        return function

    return decorate


def set_up_logs(parameters: Mapping[str, Any]) -> None:
    """Takes the settings of the log from a command's parameters."""
    configure(parameters["log_format"], parameters["log_level"])


def _use(context: click.Context, file: Path | None, wanted: Sequence[Setting]) -> Path | None:
    if file is not None:
        tables = load(file)
        context.default_map = {
            setting.parameter: tables[setting.section][setting.name]
            for setting in wanted
            if setting.name in tables.get(setting.section, {})
        }
    return file


def _shape(name: str, settings: Sequence[Setting]) -> type[msgspec.Struct]:
    members = [(each.name, each.in_file | msgspec.UnsetType, msgspec.UNSET) for each in settings]
    return msgspec.defstruct(name, members, forbid_unknown_fields=True)
