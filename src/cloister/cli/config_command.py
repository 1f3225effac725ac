"""`cloister config`: all settings there are, and where those of a part come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import cast

import click
import msgspec
from click.core import ParameterSource

from cloister.cli.config import configured
from cloister.cli.setting import Section, Setting
from cloister.cli.settings import sections

_HEAD = """\
# The settings of Cloister, all of them: lines without a value that you must give are comments, at their defaults.
#
# Name this file by --config or CLOISTER_CONFIG. A part reads its own table: one file can serve all machines. Each line
# can also be an option of the command (--tls-cert for tls_cert), or a variable (CLOISTER_HUB_TLS_CERT); an option
# counts before a variable, that before this file. Unknown names are refused. Relative paths start at this file.
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


def _showing(part: Section, settings: Sequence[Setting]) -> click.Command:
    """`cloister config show PART`."""

    @click.command(name=part, short_help=f"The settings of [{part}].")
    @configured([dataclasses.replace(each, option="", required=False, shown=False) for each in settings], logs=False)
    def show(**given: object) -> None:
        context = click.get_current_context()
        for setting in settings:
            value, source = given[setting.name], context.get_parameter_source(setting.name)
            shown = "(not set)" if value is None else _toml(value)
            click.echo(f"{setting.name} = {shown}  # {_SOURCES.get(source, 'option') if source else 'default'}")

    return show


@config.group()
def show() -> None:
    """Tell what each setting of a part is, on this machine, and where it comes from."""


for _part, _settings in sections().items():
    show.add_command(_showing(cast(Section, _part), _settings))


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
