"""The device key: one for each hub and user, the same for all processes, private."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloister.errors import CloisterError
from cloister.sdk.device import open_device_key
from cloister.sdk.folder import StateFolder

HUB, ALICE = "https://hub.example", "alice@example.org"


def _open(folder: Path, hub: str = HUB, email: str = ALICE, passphrase: str | None = None) -> bytes:
    key: Ed25519PrivateKey = open_device_key(StateFolder(folder), hub, email, passphrase=passphrase)
    return key.public_key().public_bytes_raw()


def _file(folder: Path) -> Path:
    (file,) = (folder / "devices").glob("*.pem")
    return file


def test_it_stays_the_same(tmp_path: Path) -> None:
    assert _open(tmp_path) == _open(tmp_path) == _open(tmp_path, email=" Alice@Example.org")


def test_hubs_and_users_have_their_own(tmp_path: Path) -> None:
    assert len({_open(tmp_path), _open(tmp_path, hub="https://other"), _open(tmp_path, email="bob@example.org")}) == 3


def test_a_hub_is_known_by_its_host(tmp_path: Path) -> None:
    assert _open(tmp_path) == _open(tmp_path, hub="https://HUB.example:8443")
    here = ("http://127.0.0.1:8642", "http://localhost:8643", "http://[::1]:8642")
    assert len({_open(tmp_path, hub=hub) for hub in here} | {_open(tmp_path)}) == 2


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: _open(tmp_path), range(32)))
    assert len(keys) == 1


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    _open(tmp_path / "home")
    assert stat.S_IMODE(_file(tmp_path / "home").stat().st_mode) == 0o600
    for folder in (tmp_path / "home", tmp_path / "home" / "devices"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_passphrase_protects_it(tmp_path: Path) -> None:
    key = _open(tmp_path, passphrase="correct horse")
    assert b"ENCRYPTED" in _file(tmp_path).read_bytes()
    assert _open(tmp_path, passphrase="correct horse") == key
    with pytest.raises(CloisterError, match="CLOISTER_DEVICE_PASSPHRASE"):
        _open(tmp_path)
    with pytest.raises(CloisterError, match="not its passphrase") as caught:
        _open(tmp_path, passphrase="wrong battery")
    assert "battery" not in str(caught.value)


def test_one_without_a_passphrase_can_be_used_with_one_set(tmp_path: Path) -> None:
    assert _open(tmp_path) == _open(tmp_path, passphrase="later")


def test_a_damaged_file_is_not_replaced(tmp_path: Path) -> None:
    _open(tmp_path)
    _file(tmp_path).write_bytes(b"-----BEGIN NOTHING-----")
    with pytest.raises(CloisterError, match="damaged"):
        _open(tmp_path)
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _file(tmp_path).write_bytes(other)
    with pytest.raises(CloisterError, match="not an Ed25519 key"):
        _open(tmp_path)


def test_where_nothing_can_be_written_it_lives_in_memory(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    assert len(_open(in_the_way)) == 32


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    (tmp_path / "devices" / "there").mkdir(parents=True)
    with pytest.raises(OSError, match="there"):
        folder.write("devices/there", b"x")
    assert [path.name for path in (tmp_path / "devices").iterdir()] == ["there"]
