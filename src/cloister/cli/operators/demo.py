"""`cloister demo`: a Cloister in a folder of its own, and the story told over it."""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import click

from cloister.cli.operators.layout import Layout
from cloister.cli.operators.process import end_with_parent
from cloister.cli.setting import FOLDER
from cloister.cli.ui.loopback import kept_clear
from cloister.demo.parties import Party
from cloister.demo.screen import Screen
from cloister.demo.story import PARTIES, Story, email, introduce
from cloister.errors import CloisterError
from cloister.hub import accounts, bundle

STOP_SECONDS = 30


@click.command()
@click.option(
    "--data",
    type=FOLDER,
    help="An empty folder to work in.  [default: a new one in the system's folder for temporary files]",
)
@click.option("--keep/--no-keep", default=True, show_default=True, help="Leave the folder there at the end.")
@click.option("--ui", is_flag=True, help="Go on at the end, until Ctrl-C: the web pages show what has happened.")
def demo(data: Path | None, keep: bool, ui: bool) -> None:
    """Run a clean room from start to end, and look on.

    Starts Cloister on a free port. A hospital and a lab encrypt and attach data that ships with it; an analyst computes
    over both; everybody tries what isn't theirs. Takes some seconds, needs root for the container, and stops
    everything at the end.
    """
    if ui and bundle.installed() is None:
        raise CloisterError(
            "This installation has no web pages. Install a release's wheel; in a checkout, `make ui` builds them."
        )
    screen = Screen()
    with _stopping_on_sigterm(), _folder(data, keep=keep) as folder:
        introduce(screen, folder)
        layout = Layout(folder / "cloister")
        screen.chapter("Cloister starts")
        with contextlib.ExitStack() as held:
            with screen.waiting("Starting hub, enclave and a worker"):
                url, process = held.enter_context(_running(layout, folder / "cloister.log"))
            if ui:
                # Passwords are typed there, and device keys are kept for these addresses.
                held.enter_context(kept_clear(urlsplit(url).port or 0))
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
            if ui:
                _hand_over([folder, *(party.folder for party in parties.values())])
                password = f"demo-{secrets.token_hex(6)}"
                for party in parties.values():
                    accounts.set_password(settings, party.email, password)
                _show_pages(screen, url, list(parties.values()), password)
                with contextlib.suppress(KeyboardInterrupt):
                    process.wait()
                    raise CloisterError(f"Cloister has ended by itself. It said:\n{_end_of(folder / 'cloister.log')}")
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


def _show_pages(screen: Screen, url: str, parties: list[Party], password: str) -> None:
    """Where each of them finds the pages, and how they sign in. The analyst's, which show most, are opened."""
    # Browsers take these names to this machine, and keep apart what they keep for each.
    addresses = {party.name: f"http://{party.name}.localhost:{urlsplit(url).port}" for party in parties}
    screen.chapter("The same in a browser")
    screen.tell(
        "Cloister goes on, and shows its web pages. Each has an address of their own here, so that one browser can be "
        f"all of their machines. Everybody's password is {password}"
    )
    screen.table([("who", "address", "email"), *((each.name, addresses[each.name], each.email) for each in parties)])
    screen.tell(
        "A browser is a new machine: it makes a device key of its own, which the room's log will show to everybody. "
        "It doesn't trust software mode either, until you say so."
    )
    screen.tell("Ctrl-C ends it.")
    _open(addresses["analyst"])


def _open(address: str) -> None:
    """In the browser of whoever sits here, where there is a desktop. Browsers don't run as root."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    user: int | None = None
    group: int | None = None
    groups: list[int] | None = None
    environment = dict(os.environ)
    if os.geteuid() == 0:
        caller = _caller()
        if caller is None:
            return
        (user, group), groups = caller, []
        environment["HOME"] = pwd.getpwuid(user).pw_dir
    subprocess.Popen(
        [sys.executable, "-m", "webbrowser", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment,
        user=user,
        group=group,
        extra_groups=groups,
    )


@contextlib.contextmanager
def _running(layout: Layout, log: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`cloister up` as a process of its own, from ready to stopped; and its URL.

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
        yield ready.removeprefix("ready ").strip(), process
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
    caller = _caller()
    if os.geteuid() != 0 or caller is None:
        return
    first, *others = folders
    for path in [first, *(path for folder in others for path in (folder, *folder.rglob("*")))]:
        os.chown(path, *caller, follow_symlinks=False)


def _caller() -> tuple[int, int] | None:
    """The user and the group of whoever has called sudo."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    return (int(user), int(group)) if user.isdigit() and group.isdigit() else None


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
