"""Passwords and invitations, as operators give them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cloister.cli import cloister
from cloister.errors import BadRequestError, CloisterError
from cloister.hub.accounts import users
from cloister.hub.settings import HubSettings

PASSWORD = "correct horse battery"


def do(folder: Path, *words: str, said: str = "") -> tuple[str, str]:
    ran = CliRunner().invoke(cloister, ["user", *words, "--data", str(folder)], input=said)
    if ran.exception is not None:
        raise ran.exception
    return ran.stdout, ran.stderr


def test_a_password_is_read_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "hub.lock").touch()
    for words in (("add", "alice@example.com", "--password"), ("password", "alice@example.com")):
        printed, told = do(tmp_path, *words, said=PASSWORD + "\n")
        assert printed == ""
        assert PASSWORD not in told
    (entry,) = users(HubSettings(data=tmp_path))
    assert (entry.name, entry.tokens) == ("alice@example.com", 0)
    with pytest.raises(CloisterError, match="no password"):
        do(tmp_path, "password", "alice@example.com")
    with pytest.raises(BadRequestError, match="12 characters"):
        do(tmp_path, "password", "alice@example.com", said="short\n")


def test_an_invitation_is_a_link_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hub.lock").touch()
    printed, told = do(tmp_path, "invite", "bob@example.com")
    assert printed.startswith("/invitation#token=")
    assert "public_url" in told
    monkeypatch.setenv("CLOISTER_HUB_PUBLIC_URL", "https://hub.example.org/")
    printed, told = do(tmp_path, "invite", "bob@example.com")
    assert printed.startswith("https://hub.example.org/invitation#token=")
    assert printed.endswith("&email=bob%40example.com\n")
    assert told == ""
