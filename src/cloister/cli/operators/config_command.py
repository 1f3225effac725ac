"""`cloister config`: all settings there are, and where those of a part come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
from click.core import ParameterSource

from cloister.cli.operators.config import CONFIG_VARIABLE, configured
from cloister.cli.operators.settings import sections
from cloister.cli.setting import Setting

_HEAD = """\
# The settings of Cloister, all of them, at their defaults or with an example. Take away the # of those that you set.
#
# Name this file by --config or CLOISTER_CONFIG. A part reads its own table: one file can serve all machines. Each line
# can also be an option of the command (--tls-cert for tls_cert), or a variable (CLOISTER_, the table, _ and the name,
# all in capitals). An option counts before a variable, and that before this file. Unknown names are refused. Relative
# paths start at this file.
#
# Nothing secret belongs into this file: settings that end in _file name files for that.
"""
_INTROS: dict[str, str] = {
    "up": "`cloister up`: everything on one machine. It also takes what is in the other tables.",
    "hub": "`cloister hub`",
    "enclave": "`cloister enclave`",
    "worker": "`cloister worker`",
    "log": "All parts. Logs go to standard error.",
}
_SOURCES = {
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "file",
    ParameterSource.DEFAULT: "default",
}
_WIDTH = 118


@click.group()
def config() -> None:
    """Settings: from options, variables, a file, or their defaults, in this order."""


@config.command()
def sample() -> None:
    """Print a configuration with all settings, explained, and at their defaults: to begin with."""
    click.echo("\n".join(lines()))


@config.command()
@click.argument("part", type=click.Choice(tuple(sections())))
@click.option("--config", "file", type=click.Path(dir_okay=False, path_type=Path), envvar=CONFIG_VARIABLE)
def show(part: str, file: Path | None) -> None:
    """Tell what each setting of PART is on this machine, and where that comes from: environment, file or default."""
    for setting, value, source in found(sections()[part], file):
        click.echo(f"{setting.name} = {'(not set)' if value is None else _toml(value)}  # {source}")


def found(settings: Sequence[Setting], file: Path | None) -> Iterator[tuple[Setting, object, str]]:
    """Each setting with its value, and where that comes from.

    Raises:
        CloisterError: the file is wrong.
    """
    mild = [dataclasses.replace(each, option="", required=False) for each in settings]

    @click.command()
    @configured(mild, logs=False)
    def resolve(**_given: object) -> None:
        """Never called: its context is what is asked for."""

    context = resolve.make_context("config", ["--config", str(file)] if file else [])
    for setting in mild:
        source = context.get_parameter_source(setting.name)
        yield setting, context.params[setting.name], _SOURCES.get(source, "option") if source else "default"


def lines() -> Iterator[str]:
    """The sample file."""
    yield _HEAD.rstrip()
    for section, settings in sections().items():
        yield ""
        yield f"[{section}]"
        yield from _comment(_INTROS[section])
        for setting in settings:
            yield ""
            yield from _comment(setting.help.split("  [default")[0])
            value = setting.default if setting.default is not None else setting.example
            yield f"# {setting.name} = {_toml(value)}"


def _comment(text: str) -> Iterator[str]:
    for line in click.formatting.wrap_text(text, _WIDTH).splitlines():
        yield f"# {line}"


def _toml(value: object) -> str:
    """A value as TOML has it; JSON's strings, numbers, truth values and lists are TOML's."""
    if value is None:
        return '""'
    if isinstance(value, tuple):
        value = list(value)
    return msgspec.json.encode(value, enc_hook=str).decode().replace('","', '", "')
