"""Files that people write: settings (TOML) and tables (CSV). Whatever is in them, an error that says so, or what they
say."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloister.cli.operators.config import load
from cloister.errors import BadRequestError, CloisterError
from cloister.sdk.csv_files import read_input_csv_file

words = st.sampled_from(
    [
        "[hub]",
        "[worker]",
        "[nowhere]",
        "port",
        "data",
        "=",
        "1",
        "'x'",
        '"',
        '"""',
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "#",
        "-",
    ]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(st.binary(max_size=200) | st.lists(words, max_size=30).map(lambda each: " ".join(each).encode()))
@example(b"a = " + b"[" * 100_000)
@example(b"[hub]\nport = 1" + b"0" * 5000)
@example(b"[hub]\nport = nan\n")
@example(b"[" + b"a." * 50_000 + b"a]\n")
@settings(max_examples=300)
def test_settings(folder: Path, content: bytes) -> None:
    file = folder / "cloister.toml"
    file.write_bytes(content)
    told = str(file)
    try:
        assert isinstance(load(file), dict)
    except CloisterError as error:
        told = str(error)
    assert str(file) in told


cells = st.text(max_size=6) | st.sampled_from(['"', "1", "1e400", "", "a\rb", "\0", "ü", ";", "\ufeff"])
tables = st.lists(st.lists(cells, max_size=4).map(";".join), max_size=6).map("\r\n".join)


@given(
    content=st.binary(max_size=120) | tables.map(lambda text: text.encode("utf-8", "surrogatepass")),
    encoding=st.sampled_from(
        ["utf-8", "utf-16", "utf-7", "latin-1", "cp1252", "idna", "punycode", "hex", "no such", "\0"]
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]),
    has_header=st.booleans(),
    check_header=st.booleans(),
)
@settings(max_examples=500)
def test_tables(
    folder: Path, content: bytes, encoding: str, delimiter: str, quoting: int, has_header: bool, check_header: bool
) -> None:
    file = folder / "table.csv"
    file.write_bytes(content)
    try:
        read = read_input_csv_file(
            file,
            has_header=has_header,
            check_header=check_header,
            encoding=encoding,
            delimiter=delimiter,
            quoting=quoting,
        )
    except BadRequestError:
        return
    text = codecs.decode(read.getvalue(), "utf-8")
    assert not text or text.endswith("\n")
