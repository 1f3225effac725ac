"""`make ui`: whoever has just installed Cloister does what the demo prints, in one browser, and is in the room."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from cloister.cli.operators.demo import STOP_SECONDS
from tests.e2e.test_demo import DEMO, processes_about
from tests.pages import built

from .people import PATIENCE_MS

ROOM = "Length of stay by CRP"


@dataclass(frozen=True)
class Told:
    """What somebody reads off the terminal."""

    password: str
    places: dict[str, tuple[str, str]]
    """Each one's address and email."""


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    built()
    opened, program = tmp_path / "opened", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >{opened}\n')
    program.chmod(0o755)
    # A desktop, and somebody who has called sudo.
    desktop = {"DISPLAY": ":0", "BROWSER": f"{program} %s", "SUDO_UID": "0", "SUDO_GID": "0"}
    command = [*DEMO, "--data", str(tmp_path / "here"), "--no-keep", "--ui"]
    with subprocess.Popen(command, env=os.environ | desktop, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            lines = []
            for line in demo.stdout:
                lines.append(line)
                if "Ctrl-C ends it" in line:
                    break
            output = "".join(lines)
            password = re.search(r"Everybody's password\s+is\s+(\S+)", output)
            assert password
            rows = re.findall(r"(\w+) +(http://\w+\.localhost:\d+) +(\S+)", output)
            yield Told(password[1], {name: (address, email) for name, address, email in rows})
        finally:
            demo.terminate()
        assert "has been stopped" in demo.stdout.read()
        assert demo.wait(STOP_SECONDS) == 0
    assert opened.read_text().startswith("http://analyst.localhost:")
    assert not processes_about(tmp_path / "here")


def signed_in(page: Page, told: Told, who: str) -> None:
    address, email = told.places[who]
    page.goto(address)
    page.get_by_role("textbox", name="Email").fill(email)
    page.get_by_role("textbox", name="Password").fill(told.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Allow software enclaves").click()


@pytest.mark.slow
def test_one_browser_is_all_of_their_machines(told: Told, browser: Browser) -> None:
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        # Nobody else on the machine can listen where browsers look first.
        for address, _ in told.places.values():
            with pytest.raises(OSError, match=r"in use|assign|support"):
                socket.create_server(("::1", urlsplit(address).port or 0), family=socket.AF_INET6)
        tabs = {who: context.new_page() for who in ("lab", "analyst", "outsider")}
        for who, page in tabs.items():
            signed_in(page, told, who)
        for who in ("lab", "analyst"):
            tabs[who].get_by_role("link", name=ROOM).click()
            expect(tabs[who].get_by_role("heading", level=1)).to_have_text(ROOM)
        # Nobody was signed out by the others.
        for who, page in tabs.items():
            page.reload()
            expect(page.get_by_text(told.places[who][1]).first).to_be_visible()
        expect(tabs["outsider"].get_by_role("main")).not_to_contain_text(ROOM)
