"""`cloister demo`: a Cloister in a folder of its own, and the story told over it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click

from cloister.cli.layout import Layout
from cloister.cli.process import end_with_parent
from cloister.cli.settings import FOLDER
from cloister.demo.parties import Party
from cloister.demo.screen import Screen
from cloister.demo.story import PARTIES, Story, email, introduce
from cloister.errors import CloisterError
from cloister.hub import accounts

STOP_SECONDS = 30


@click.command()
@click.option(
    "--data",
    type=FOLDER,
    help="An empty folder to work in.  [default: a new one in the system's folder for temporary files]",
)
@click.option("--keep/--no-keep", default=True, show_default=True, help="Leave the folder there at the end.")
def demo(data: Path | None, keep: bool) -> None:
    """Run a clean room from start to end, and look on.

    Starts Cloister on a free port. A hospital and a lab encrypt and attach data that ships with it; an analyst computes
    over both; everybody tries what isn't theirs. Takes some seconds, needs root for the container, and stops
    everything at the end.
    """
    screen = Screen()
    with _stopping_on_sigterm(), _folder(data, keep=keep) as folder:
        introduce(screen, folder)
        layout = Layout(folder / "cloister")
        screen.chapter("Cloister starts")
        with contextlib.ExitStack() as held:
            with screen.waiting("Starting hub, enclave and a worker"):
                url = held.enter_context(_running(layout, folder / "cloister.log"))
            settings = layout.hub_settings()
            parties = {name: _party(name, folder, accounts.add_user(settings, email(name))) for name in PARTIES}
            screen.tell(
                f"It listens at {url}. Its operator adds four users, and hands each an API token. A folder stands for "
                "each user's own machine:"
            )
            rows = [(party.name, party.email, f"{party.name}/") for party in parties.values()]
            screen.table([("who", "account", "machine"), *rows])
            story = Story(screen, url, parties, folder, settings.data)
            story.tell()
        screen.tell("Everything that was started has been stopped.")
        if keep:
            story.show_files()
            _hand_over([folder, *(party.folder for party in parties.values())])
            screen.tell(
                f"The folder is left for you: {folder}. To try it with data of your own, see `cloister up --help`."
            )
        else:
            screen.tell("The folder is deleted, as you asked.")


def _party(name: str, folder: Path, token: str) -> Party:
    machine = folder / name
    machine.mkdir(mode=0o700)
    return Party(name, email(name), token, machine)


@contextlib.contextmanager
def _running(layout: Layout, log: Path) -> Iterator[str]:
    """`cloister up` as a process of its own, from ready to stopped; its URL.

    Raises:
        CloisterError: it doesn't start.
    """
    command = [sys.executable, "-m", "cloister.cli", "up", "--data", str(layout.data), "--port", "0", "--workers", "1"]
    with log.open("wb") as messages:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops this one
            preexec_fn=functools.partial(end_with_parent, os.getpid()),
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready.startswith("ready "):
            process.wait()
            raise CloisterError(f"Cloister does not start. It said:\n{_end_of(log)}")
        yield ready.removeprefix("ready ").strip()
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


@contextlib.contextmanager
def _folder(chosen: Path | None, *, keep: bool) -> Iterator[Path]:
    """The folder to work in; removed at the end, or on an early one, unless it is to be kept."""
    if chosen is None:
        folder = Path(tempfile.mkdtemp(prefix="cloister-demo-"))
    else:
        folder = chosen.absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise click.UsageError(f"{folder} is not empty. Name an empty folder, or one that isn't there yet.")
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _hand_over(folders: list[Path]) -> None:
    """Where sudo runs the demo, what the parties have is for whoever called sudo to look at."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() != 0 or not (user.isdigit() and group.isdigit()):
        return
    first, *others = folders
    for path in [first, *(path for folder in others for path in (folder, *folder.rglob("*")))]:
        os.chown(path, int(user), int(group), follow_symlinks=False)


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: by way of everything that is to be stopped."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
