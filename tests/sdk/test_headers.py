"""The first line of a CSV file: told from the rest, compared with a table's columns, and left out."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import BadRequestError
from cloister.sdk.headers import is_header, read_header, without_header
from cloister.sdk.uploads import Data

NAMES = ["id", "name"]
ROWS = b'1,Ann\n2,"Ben, the ""second"""\n'
MIB = 1024 * 1024


class Pipe(io.RawIOBase):
    """What can be read once, in small pieces."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece, self._rest = self._rest[: min(size, 5)], self._rest[min(size, 5) :]
        return piece


def rest(data: Data, names: list[str] | None = NAMES) -> bytes:
    with without_header(data, names, what="'people'") as left:
        if isinstance(left, bytes | bytearray | memoryview):
            return bytes(left)
        found = b""
        while piece := cast(Any, left).read(7):
            found += piece
        return found


@pytest.mark.parametrize(
    "header",
    [
        b"id,name\n",
        b"id,name\r\n",
        b"id,name\r",
        b'"id","name"\n',
        b"\xef\xbb\xbfid,name\n",
        b'\xef\xbb\xbf"id",name\r\n',
        b"\n\r\nid,name\n",
    ],
)
def test_the_header_is_left_out_of_whatever_holds_it(header: bytes, tmp_path: Path) -> None:
    content = header + ROWS
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    assert rest(path) == ROWS
    for data in (content, bytearray(content), memoryview(content), io.BytesIO(content), Pipe(content)):
        assert rest(cast(Data, data)) == ROWS
    with path.open("rb") as file:
        assert rest(file) == ROWS
    with gzip.open(tmp_path / "people.csv.gz", "wb") as packed:
        packed.write(content)
    with gzip.open(tmp_path / "people.csv.gz") as unpacked:
        assert rest(cast(Data, unpacked)) == ROWS
    assert is_header(path, NAMES)
    assert is_header(content, ["ID", "Name"])
    assert not is_header(content, ["id", "names"])


def test_a_stream_is_read_from_its_place() -> None:
    file = io.BytesIO(b"something before\nid,name\n" + ROWS)
    file.seek(17)
    assert is_header(file, NAMES)
    assert file.tell() == 17
    assert rest(file) == ROWS


def test_names_may_be_anything_that_can_be_quoted() -> None:
    names = ["a\nb", 'c"d', "e,f", "\u00e4\U0001f512", ""]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(names)
    assert rest(text.getvalue().encode() + ROWS, names) == ROWS
    header = read_header("größe,id\n1,2\n".encode("windows-1252"))
    assert header.names == ("größe", "id")
    assert rest("größe,id\n\u20ac,2\n".encode("windows-1252"), ["größe", "id"]) == b"\x80,2\n"


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=6)


@given(
    rows=st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=4),
    ending=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
)
def test_what_is_left_is_what_stands_behind(rows: list[list[str]], ending: str, mark: bool) -> None:
    # Quotes around everything: what has none can't hold the ends of lines.
    lines = []
    for row in rows:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL).writerow(row)
        lines.append(text.getvalue().encode())
    content = (b"\xef\xbb\xbf" if mark else b"") + b"".join(lines)
    assert rest(content, rows[0]) == b"".join(lines[1:])
    assert rest(io.BytesIO(content), None) == b"".join(lines[1:])


WRONG: dict[str, tuple[bytes, str]] = {
    "another order": (b"name,id\n", r"The order is another one: column 1 is 'name', and should be 'id'"),
    "one missing": (b"id\n", r"It lacks 'name'\. The columns are, in this order: 'id', 'name'"),
    "one too many": (b"id,name,age\n", r"It has 'age', which isn't there"),
    "one misspelt": (b"id,nmae\n", r"Is 'nmae' meant to be 'name'\?"),
    "capitals": (b"ID,name\n", r"upper and lower case, or in spaces: 'ID' should be 'id'"),
    "spaces": (b"id, name\n", r"' name' should be 'name'"),
    "one twice": (b"id,name,id\n", r"names 'id' twice"),
    "no header": (b"1,Ann\n2,Ben\n", r"None of its names is a column's.*Does the file have a header"),
    "semicolons": (b"id;name\n1;2\n", r"separated by ';'.*read_input_csv_file\(path, delimiter=';'\)"),
    "tabs": (b"id\tname\n", r"separated by tabs.*delimiter='\\t'"),
    "nothing": (b"", "it is empty"),
    "blank lines": (b"\n\n", "it is empty"),
    "a quote": (b'id,"name\n' + ROWS * 10, r"can't be read as CSV"),
    "no end": (b"id," + b"n" * 2 * MIB, r"1024 KiB"),
    "no end of many": (b"id," * MIB, r"doesn't end within 1024 KiB"),
    "gzip": (gzip.compress(b"id,name\n"), "compressed.*Unpack it"),
    "UTF-16": ("id,name\n".encode("utf-16"), "Save it as UTF-8"),
    "no text": (b"id,\x81name\n", "not text in UTF-8"),
    "escapes": (b"id,\x1b[2Jname\n", r"'\\x1b\[2Jname'"),
    "NUL": (b"id,\x00name\n", r"'\\x00name'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(what: str) -> None:
    content, message = WRONG[what]
    with pytest.raises(BadRequestError, match=message):
        rest(content)
    assert is_header(content, NAMES) is (what in ("capitals", "spaces"))
    assert is_header(io.BytesIO(content), ["x"]) is False


def test_archives_and_texts_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", "id,name\n")
    with pytest.raises(BadRequestError, match="compressed"):
        rest(tmp_path / "x.zip")
    with pytest.raises(TypeError, match="opened as text"):
        rest(cast(Data, io.StringIO("id,name\n")))
    assert not is_header(cast(Data, io.StringIO("id,name\n")), NAMES)
    assert not is_header(cast(Data, Pipe(b"id,name\n")), NAMES)


def test_a_long_message_stays_short() -> None:
    with pytest.raises(BadRequestError) as caught:
        rest(b"x" * 100_000 + b",id\n")
    assert len(str(caught.value)) < 400


def test_a_large_file_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.write(b"id,name\n")
        file.seek(1024 * MIB)
        file.write(b"end\n")
    tracemalloc.start()
    try:
        with without_header(path, NAMES) as left:
            assert cast(Any, left).tell() == 8
            assert len(cast(Any, left).read(MIB)) == MIB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB
