"""What commands ask for on a terminal, and what they don't show there."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
from pathlib import Path

from tests.cli.user import User
from tests.sdk.conftest import OWNER, World


def typed(user: User, *words: str, at: str, answer: str) -> tuple[int, str]:
    """Runs a command on a terminal of its own, and types an answer where it asks; its exit code, and all it showed."""
    terminal, inside = os.openpty()
    known = {name: value for name, value in os.environ.items() if not name.startswith(("CLOISTER_", "DECENTRIQ_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "cloister.cli", *words],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={**known, "CLOISTER_HOME": str(user.home), "CLOISTER_TRUST_SOFTWARE_ENCLAVE": "1"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(inside)
    shown = b""
    with process:
        try:
            while not shown.endswith(at.encode()):
                shown += os.read(terminal, 1)
            os.write(terminal, f"{answer}\n".encode())
            while more := os.read(terminal, 4096):
                shown += more
        except OSError:
            pass  # how a terminal says that nobody is there any more
        finally:
            os.close(terminal)
    return process.returncode, shown.decode()


def test_the_token_is_not_shown(world: World) -> None:
    user = User(OWNER, world.hub.add_user(OWNER), world.url, world.folder / "machine")
    code, shown = typed(user, "login", "--url", user.url, OWNER, at="API token: ", answer=user.token)
    assert (code, "Logged in" in shown) == (0, True)
    assert user.token not in shown
    assert user.well("room", "list", "--json").document == {"rooms": []}


def test_data_goes_nowhere_without_a_word(owner: User, world: World, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("x")
    words = ("data", "attach", "Uppercase", "text", str(file))
    code, shown = typed(owner, *words, at="Attach it? [y/N]: ", answer="n")
    assert (code, "Nothing was attached" in shown) == (1, True)
    assert "These device keys speak for the participants" in shown
    assert world.hub.blobs == {}
    code, shown = typed(owner, *words, at="Attach it? [y/N]: ", answer="y")
    assert code == 0, shown
    assert len(world.hub.blobs) == 1


def test_a_room_is_not_stopped_by_accident(owner: User) -> None:
    code, shown = typed(owner, "room", "stop", "Uppercase", at="[y/N]: ", answer="")
    assert (code, "The room goes on" in shown) == (1, True)
    assert typed(owner, "room", "stop", "Uppercase", at="[y/N]: ", answer="y")[0] == 0
    assert owner.well("room", "list", "--json").document["rooms"][0]["stopped"]
