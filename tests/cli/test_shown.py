"""Names, tables and places: what commands make of what users and others have written."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from cloister.cli import exit_code
from cloister.cli.shown import document, moment, plain, size, table, words
from cloister.cli.users.destination import Destination
from cloister.cli.users.extract import extract
from cloister.cli.users.names import Named, chosen
from cloister.errors import (
    AuthorizationError,
    BadRequestError,
    CloisterError,
    EnclaveError,
    NotFoundError,
    RollbackDetected,
    ServerError,
    TimedOut,
    VerificationError,
)

THINGS = [
    Named("aaaa1111", "Salaries by team"),
    Named("aaaa2222", "Salaries"),
    Named("bbbb3333", "stays"),
    Named("cccc", "aaaa1"),
]


def pick(wanted: str, *, by_others: bool = False) -> str:
    return chosen(wanted, THINGS, what="thing", listing="cloister thing list", by_others=by_others).id


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("aaaa2222", "aaaa2222"),
        ("Salaries", "aaaa2222"),
        ("salaries", "aaaa2222"),
        ("SALARIES BY", "aaaa1111"),
        ("st", "bbbb3333"),
        ("bbbb", "bbbb3333"),
        ("aaaa1", "cccc"),
    ],
)
def test_the_one_that_is_meant(wanted: str, found: str) -> None:
    assert pick(wanted) == found


@pytest.mark.parametrize("wanted", ["", "bbb", "nothing", "\x1b[2J", "x" * 1000])
def test_none_is_meant(wanted: str) -> None:
    with pytest.raises(NotFoundError, match="`cloister thing list`") as told:
        pick(wanted)
    assert "\x1b" not in str(told.value)
    assert len(str(told.value)) < 200


def test_several_may_be_meant() -> None:
    with pytest.raises(BadRequestError, match=r"Salaries by team \(aaaa1111\), Salaries \(aaaa2222\)\. Name one"):
        pick("sal")


def test_nobody_comes_between_by_a_name() -> None:
    """Another participant may publish a room called like the beginning of yours."""
    with pytest.raises(BadRequestError, match="may be any"):
        pick("Salaries", by_others=True)
    assert pick("Salaries by", by_others=True) == "aaaa1111"


def test_the_terminal_gets_no_orders() -> None:
    evil = "a\x1b[31mb\nc\u202ed\x9be"
    assert plain(evil) == "a?[31mb?c?d?e"
    assert table(("A", "B"), [(evil, "x")]).count("\n") == 1
    assert plain("a\n\tb", keep="\n\t") == "a\n\tb"
    assert words("cloister", "run", "$(reboot)") == "cloister run '$(reboot)'"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    document({"title": "a\x1b\u202e\x9b"})
    assert capsys.readouterr().out.isascii()


def test_figures() -> None:
    assert [size(count) for count in (0, 1023, 1024, 5 * 1024**3, 3 * 1024**4)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 GiB",
        "3.0 TiB",
    ]
    assert moment(0) == moment("1970-01-01T00:00:00+00:00") == "1970-01-01 00:00"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EnclaveError("x"), 3),
        (AuthorizationError("x"), 4),
        (RollbackDetected("x"), 4),
        (NotFoundError("x"), 1),
        (ServerError("x"), 1),
        (TimedOut("x"), 1),
        (CloisterError("x"), 1),
    ],
)
def test_exit_codes(error: CloisterError, code: int) -> None:
    assert exit_code(error) == code


def archive(*names: str, mode: int = stat.S_IFREG | 0o644) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as into:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            into.writestr(entry, b"content")
    return made


def test_results_are_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert extract(archive("a.txt", "deep/er/b.txt"), folder) == ["a.txt", "deep/er/b.txt"]
    assert (folder / "deep/er/b.txt").read_bytes() == b"content"


@pytest.mark.parametrize(
    "name", ["../out", "/etc/out", "a/../../out", "..", "a\\..\\out", "out\x1b", "./../out", "a\u202eb"]
)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(VerificationError, match="can't be unpacked safely"):
        extract(archive("fine.txt", name), tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_the_like(tmp_path: Path, kind: int) -> None:
    with pytest.raises(VerificationError, match="can't be unpacked safely"):
        extract(archive("a", mode=kind | 0o777), tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="twice"):
        extract(archive("a", "a"), tmp_path / "new")
    with pytest.raises(VerificationError, match="twice"):
        extract(archive("a", "./a"), tmp_path / "new")


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip", archive("a").getvalue()[:-9]])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(VerificationError, match="Fetch it as a file"):
        extract(io.BytesIO(content), tmp_path / "new")


def test_more_than_the_disk_holds(tmp_path: Path) -> None:
    """By what the archive says of itself; Python's reader gives no more than that."""
    made = bytearray(archive("a").getvalue())
    at = made.index(b"PK\x01\x02") + 24
    made[at : at + 4] = (2**32 - 2).to_bytes(4, "little")
    disk = os.statvfs(tmp_path)
    if disk.f_bavail * disk.f_frsize > 2**32:
        many = [f"{number}" for number in range(disk.f_bavail * disk.f_frsize // 2**32 + 1)]
        made = bytearray(archive(*many).getvalue())
        at = -1
        for _ in many:
            at = made.index(b"PK\x01\x02", at + 1)
            made[at + 24 : at + 28] = (2**32 - 2).to_bytes(4, "little")
    with pytest.raises(BadRequestError, match="no space"):
        extract(io.BytesIO(bytes(made)), tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_folders_that_are_taken(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("full", "link", "full/file", "no/parent"):
        with pytest.raises(BadRequestError):
            extract(archive("a"), tmp_path / name)
    assert extract(archive("a"), tmp_path / "empty") == ["a"]


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = Destination.of(str(tmp_path), "name.zip")
    assert target.path == tmp_path / "name.zip"
    with pytest.raises(ZeroDivisionError), target.open() as into:  # noqa: PT012
        into.write(b"half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with target.open() as into:
        into.write(b"whole")
    assert list(tmp_path.iterdir()) == [target.path]
    assert (tmp_path / "name.zip").read_bytes() == b"whole"
