"""CSV files, read for upload: the header goes, the rest stays what it is."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister import read_input_csv_file
from cloister.errors import BadRequestError

PEOPLE = "name,age,city\nAnn,31,Bern\nBen,4,Basel\nCleo,77,Chur\n"
NO_HEADER = PEOPLE.partition("\n")[2]


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "input.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path, **options: Any) -> str:
    return read_input_csv_file(path, **options).read().decode()


def test_the_header_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, PEOPLE)
    assert read(path) == NO_HEADER
    assert read_input_csv_file(str(path)).read() == NO_HEADER.encode()
    assert isinstance(read_input_csv_file(path), io.BytesIO)


def test_what_has_none_stays_as_it_is(tmp_path: Path) -> None:
    assert read(write(tmp_path, NO_HEADER), has_header=False) == NO_HEADER


@pytest.mark.parametrize(
    ("text", "has_header", "why"),
    [
        (PEOPLE, False, "looks as if it has a header.*has_header=True"),
        (NO_HEADER, True, "has no header.*has_header=False"),
    ],
)
def test_a_flag_that_does_not_fit_is_refused(text: str, has_header: bool, why: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadRequestError, match=why):
        read(path, has_header=has_header)
    # Whoever knows better says so.
    told = read(path, has_header=has_header, check_header=False)
    assert told == (text.partition("\n")[2] if has_header else text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (PEOPLE.replace(",", ";"), {"delimiter": ";"}),
        (PEOPLE.replace(",", "\t"), {"dialect": "excel-tab"}),
        (PEOPLE.replace(",", "\t"), {"dialect": csv.excel_tab}),
        (PEOPLE.replace("Bern", "'Bern'"), {"quotechar": "'"}),
        (PEOPLE.replace("\n", "\r\n"), {}),
        (PEOPLE.replace(",", ", "), {"skipinitialspace": True}),
        ("\ufeff" + PEOPLE, {}),
        ("\ufeff" + PEOPLE, {"encoding": "UTF8"}),
        (PEOPLE + "\n\n", {}),
    ],
)
def test_files_are_written_in_many_ways(text: str, options: dict[str, Any], tmp_path: Path) -> None:
    assert read(write(tmp_path, text), **options) == NO_HEADER


def test_encodings(tmp_path: Path) -> None:
    text = PEOPLE.replace("Bern", "Zürich")
    assert "Zürich" in read(write(tmp_path, text, "windows-1252"), encoding="windows-1252")
    with pytest.raises(BadRequestError, match="not text in utf-8"):
        read(tmp_path / "input.csv")
    with pytest.raises(BadRequestError, match="no encoding 'klingon'"):
        read(tmp_path / "input.csv", encoding="klingon")


def test_quoted_fields_keep_what_is_in_them(tmp_path: Path) -> None:
    text = 'name,age\n"Ann, ""the"" first",31\n"two\nlines",4\nBen,7\n'
    rows = list(csv.reader(io.StringIO(read(write(tmp_path, text), check_header=False), newline="")))
    assert rows == [['Ann, "the" first', "31"], ["two\nlines", "4"], ["Ben", "7"]]


@pytest.mark.parametrize("text", ["", "\n", "name\n"])
def test_files_without_rows(text: str, tmp_path: Path) -> None:
    assert read(write(tmp_path, text), check_header=False) == ""


def test_an_empty_file_has_nothing_to_check(tmp_path: Path) -> None:
    assert read(write(tmp_path, "")) == ""


def test_what_is_no_csv_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="can't be read as CSV"):
        read(write(tmp_path, 'a,b\n"never closed,1\n'), check_header=False)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")


def test_long_files_are_looked_at_from_their_beginning(tmp_path: Path) -> None:
    text = "name,age\n" + "".join(f"person{number % 7},{number}\n" for number in range(20_000))
    assert read(write(tmp_path, text)) == text.partition("\n")[2]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00\ufeff"), max_size=8)


@given(rows=st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5))
def test_content_is_never_changed(rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "input.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b"], *rows])
    text = read(path, check_header=False)
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
