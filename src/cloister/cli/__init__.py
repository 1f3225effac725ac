"""The command line: `cloister ...`."""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import TextIO

import click

from cloister.cli.shown import plain
from cloister.errors import AuthorizationError, CloisterError, EnclaveError, VerificationError
from cloister.version import VERSION

USERS = {
    "login": ("users.login", "Let this machine act for you."),
    "logout": ("users.login", "Forget the token on this machine."),
    "whoami": ("users.login", "Show who you are to hub and rooms."),
    "room": ("users.room", "List and show rooms; test and publish them from files; stop them."),
    "data": ("users.data", "Upload datasets; attach and detach them; download and delete them."),
    "run": ("users.run", "Run a computation, and fetch its result."),
    "cancel": ("users.run", "End a run."),
    "result": ("users.result", "Fetch results."),
    "audit": ("users.audit", "Show all that has happened in a room."),
    "ui": ("ui.command", "Open the web pages of this installation against any hub."),
    "vault": ("users.vault", "Say which of your machines see the keys that you keep."),
}
OPERATORS = {
    "up": ("operators.up", "Start everything on this machine: hub, enclave, workers."),
    "user": ("operators.user", "Add users, and end their tokens."),
    "worker-token": ("operators.user", "Let in workers of other machines, and end their tokens."),
    "keys": ("operators.keys", "Show, rotate and destroy the hub's signing keys."),
    "backup": ("operators.backup", "Copy an installation while it runs."),
    "restore": ("operators.backup", "Put a backup back, and say so to all rooms."),
    "demo": ("operators.demo", "Run a clean room from start to end, and look on."),
    "doctor": ("operators.doctor", "Tell what this machine has and enforces, and what it lacks."),
    "image": ("operators.image", "Build and list the images that computations run in."),
    "hub": ("operators.hub", "Start a hub alone."),
    "enclave": ("operators.enclave", "Start an enclave alone."),
    "worker": ("operators.worker", "Start a worker alone."),
    "config": ("operators.config_command", "Print a configuration to begin with, or what a part is set to."),
}
COMMANDS = USERS | OPERATORS
"""Name to module (of this package) and one line of help. A command's module, and what it needs, is loaded when used."""
FAILED, REFUSED, INTERRUPTED = 3, 4, 130
"""Exit codes, besides 1 for errors and 2 for wrong options."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(f"cloister.cli.{COMMANDS[cmd_name][0]}")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("cloister"):
                raise
            raise click.ClickException(
                f"`cloister {cmd_name}` needs the parts that run servers. Install them: pip install 'cloister[server]'."
            ) from None
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in (("For users", USERS), ("For operators", OPERATORS)):
            with formatter.section(title):
                formatter.write_dl([(name, line) for name, (_, line) in commands.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="cloister")
def cloister() -> None:
    """Compute on data that nobody may see.

    \b
    To see it work:  cloister demo
    To start it:     cloister up --data DIR
    To add a user:   cloister user add alice@example.org --data DIR

    \b
    As a user:       cloister login --url URL alice@example.org
                     cloister room list

    Rooms are made by scripts (`import cloister`), or lie in folders (`cloister room test`). A script finds the hub by
    CLOISTER_URL and logs in with the email and the token that `user add` printed. docs/tutorial.md goes through it step
    by step.

    Every command explains itself: `cloister COMMAND --help`.
    """


def main() -> None:
    """Entry point: errors that Cloister raises on purpose end with their message, not with a traceback."""
    warnings.showwarning = _warned
    try:
        # What a command gives to click's Exit comes back from there.
        sys.exit(cloister.main(standalone_mode=False))
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CloisterError as error:
        click.echo(message(error), err=True)
        sys.exit(exit_code(error))


def message(error: CloisterError) -> str:
    """What a person sees of an error. It may hold what a script or another machine has said."""
    return "cloister: " + plain(str(error), keep="\n\t")


def exit_code(error: CloisterError) -> int:
    """What a program sees of an error."""
    match error:
        case EnclaveError():
            return FAILED
        case AuthorizationError() | VerificationError():
            return REFUSED
        case _:
            return 1


def _warned(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """A warning as a line for the user, without the place in the code."""
    click.echo(f"cloister: {message}", err=True)
