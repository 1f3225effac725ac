"""`cloister login`, `logout`, `whoami`: whose token goes where, and what stays on the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloister.cli.users.session import login, store
from cloister.errors import CloisterError
from cloister.sdk.folder import StateFolder
from tests.cli.user import User
from tests.sdk.conftest import BOB, OWNER, World

PASSPHRASE = {"CLOISTER_DEVICE_PASSPHRASE": "correct horse battery staple"}


@pytest.fixture
def stranger(world: World) -> User:
    """Has an account, and has never been here."""
    return User(OWNER, world.hub.add_user(OWNER), world.url, world.folder / "machine")


def kept(user: User) -> bytes:
    """All that is on the user's machine."""
    return b"\0".join(path.read_bytes() for path in user.home.rglob("*") if path.is_file())


def test_in_and_out(stranger: User) -> None:
    told = stranger.login()
    assert f"Logged in at {stranger.url} as {OWNER}" in told.errors
    assert stranger.token not in told.errors + told.output
    file = stranger.home / "login.json"
    assert file.stat().st_mode & 0o777 == 0o600
    who = stranger.well("whoami", "--json").document
    assert who == {
        "email": OWNER,
        "url": stranger.url,
        "deviceKey": who["deviceKey"],
        "vault": who["vault"],
        "token": "kept",
    }
    assert len(who["deviceKey"]) == len(who["vault"]) == 64
    assert who["deviceKey"] in stranger.well("whoami").output
    stranger.well("logout")
    assert stranger.token.encode() not in kept(stranger)
    out = stranger.do("whoami")
    assert out.code == 1
    assert "cloister login EMAIL" in out.errors
    assert "Nobody was logged in" in stranger.well("logout").errors
    assert stranger.well("logout", "--json").document == {"loggedOut": False}


def test_the_token_comes_from_a_file(stranger: User, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{stranger.token}\n")
    stranger.well("login", "--url", stranger.url, OWNER, "--token-file", str(file))
    told = stranger.well("login", "--token-file", "-", OWNER, "--json", typed=stranger.token, CLOISTER_URL=stranger.url)
    assert told.document == {"email": OWNER, "url": stranger.url, "protected": False}
    assert stranger.well("room", "list", "--json").document == {"rooms": []}
    file.write_bytes(b"\xff\xfe")
    assert stranger.do("login", "--url", stranger.url, OWNER, typed="\n").code == 1


@pytest.mark.parametrize("token", ["wrong", "not a token\x07", "x" * 10_000])
def test_a_wrong_token_is_not_kept(stranger: User, token: str) -> None:
    told = stranger.do("login", "--url", stranger.url, OWNER, typed=f"{token}\n")
    assert told.code == 4
    assert token not in told.errors
    assert not (stranger.home / "login.json").exists()


def test_somebody_elses_token_is_not_kept(stranger: User) -> None:
    told = stranger.do("login", "--url", stranger.url, BOB, typed=stranger.token)
    assert told.code == 4
    assert f"belongs to {OWNER}, not to {BOB}" in told.errors
    assert not (stranger.home / "login.json").exists()


def test_a_passphrase_protects_token_and_device_key(stranger: User) -> None:
    told = stranger.login(**PASSPHRASE)
    assert "under your passphrase" in told.errors
    there = kept(stranger)
    assert stranger.token.encode() not in there
    assert stranger.token[:20].encode() not in there
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in there
    assert stranger.well("whoami", "--json", **PASSPHRASE).document["email"] == OWNER
    without = stranger.do("whoami")
    assert without.code == 1
    assert "Set CLOISTER_DEVICE_PASSPHRASE" in without.errors
    wrong = stranger.do("whoami", CLOISTER_DEVICE_PASSPHRASE="another")
    assert "is not the passphrase of this login" in wrong.errors


@pytest.mark.parametrize("change", [{"url": "http://127.0.0.1:1"}, {"email": BOB}])
def test_a_protected_token_goes_nowhere_else(tmp_path: Path, change: dict[str, str]) -> None:
    """Whoever can write the file, and has no passphrase, can't have the token sent to a hub of theirs."""
    folder = StateFolder(tmp_path)
    store(folder, "https://hub.example.org", OWNER, "token", "secret")
    assert login(folder, {"CLOISTER_DEVICE_PASSPHRASE": "secret"}).token == "token"
    stored = json.loads((tmp_path / "login.json").read_bytes())
    (tmp_path / "login.json").write_text(json.dumps({**stored, **change}))
    with pytest.raises(CloisterError, match="not the passphrase of this login"):
        login(folder, {"CLOISTER_DEVICE_PASSPHRASE": "secret"})


def test_the_token_goes_to_its_own_hub_alone(stranger: User) -> None:
    stranger.login()
    told = stranger.do("room", "list", CLOISTER_URL="http://127.0.0.1:1")
    assert told.code == 1
    assert "Your token is not sent there" in told.errors
    assert stranger.do("room", "list", CLOISTER_URL=f"{stranger.url}/").code == 0


def test_scripts_need_no_login(stranger: User) -> None:
    environment = {"CLOISTER_URL": stranger.url, "CLOISTER_TOKEN": stranger.token}
    who = stranger.well("whoami", "--json", **environment).document
    assert (who["email"], who["token"]) == (OWNER, "environment")
    assert not (stranger.home / "login.json").exists()
    assert stranger.do("whoami", CLOISTER_URL=stranger.url, CLOISTER_TOKEN="wrong").code == 4


def test_a_token_of_the_environment_wins(owner: User, world: World) -> None:
    assert owner.well("whoami", "--json", CLOISTER_TOKEN=world.hub.add_user(BOB)).document["email"] == BOB


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version":2}', b"\xff", b'{"email":"a@b","url":"x","version":1}'])
def test_a_damaged_login(stranger: User, content: bytes) -> None:
    stranger.home.mkdir()
    (stranger.home / "login.json").write_bytes(content)
    told = stranger.do("whoami")
    assert told.code == 1
    assert "Log in again: cloister login EMAIL" in told.errors


def test_an_enclave_outside_trusted_hardware_takes_a_word(owner: User) -> None:
    refused = owner.do("room", "list", CLOISTER_TRUST_SOFTWARE_ENCLAVE="0")
    assert refused.code == 4
    assert "without a trusted execution environment" in refused.errors
    assert owner.do("room", "list", "--trust-software", CLOISTER_TRUST_SOFTWARE_ENCLAVE="0").code == 0


def test_tokens_are_not_shown() -> None:
    from cloister.cli.users.session import Login

    assert "secret" not in repr(Login("https://hub.example.org", OWNER, "secret", kept=True))
