"""Results that are tables, as text: with the names of their columns, and nothing else changed."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import BadRequestError
from cloister.formats.table_schema import Column, write_schema
from cloister.sdk.tabular import NotATable, read_sql_query_result_as_string, table_text, write_table

MIB = 1024 * 1024


def types(*names: str | None) -> bytes:
    return write_schema([Column(name, "STRING", nullable=True) for name in names])


def archive(**files: bytes) -> zipfile.ZipFile:
    """A result with those files; an underscore stands for a dot."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in files.items():
            writer.writestr(name.replace("_", "."), data)
    return zipfile.ZipFile(content)


@pytest.mark.parametrize(
    ("names", "data", "text"),
    [
        (["a", "b"], b"1,x\n2,y\n", "a,b\n1,x\n2,y"),
        (["a", "b"], b"", "a,b"),
        ([], b"", ""),
        ([None, "b", ""], b"1,2,3\n", "V1,b,V3\n1,2,3"),
        (["a,b", 'c"d', "e\nf", "g\rh"], b"1,2,3,4\n", '"a,b","c""d","e\nf","g\rh"\n1,2,3,4'),
        # What rows end with is the last thing that is left out: all else may be data.
        (["a"], b"1\n\n\n", "a\n1\n\n"),
        ([" a"], b'"x\n"\n', ' a\n"x\n"'),
        (["a"], b"last \n", "a\nlast "),
        (["\u00e4"], "\U0001f512\n".encode(), "\u00e4\n\U0001f512"),
    ],
)
def test_tables_as_text(names: Sequence[str | None], data: bytes, text: str) -> None:
    found = archive(dataset_csv=data, types=types(*names))
    assert table_text(found) == text
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == list(
        csv.reader(io.StringIO(data.decode().removesuffix("\n"), newline=""))
    )


names = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=5), min_size=1)


@given(given_names=names)
def test_any_name_can_be_read_back(given_names: list[str]) -> None:
    text = table_text(archive(dataset_csv=b"", types=types(*given_names)))
    assert next(csv.reader(io.StringIO(text, newline=""))) == given_names


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"dataset_csv": b"1\n"},
        {"types": types("a")},
        {"dataset_csv": b"1\n", "types": b"\xff\xff"},
        {"dataset_csv": b"1\n", "types": b"\x04\x0a\x02\x12\x00\x00"},
        {"dataset_csv": b"\xff\n", "types": types("a")},
        {"dataset_csv": b"1\n", "types": bytes(17 * MIB)},
    ],
)
def test_what_is_no_table_is_told_so(files: dict[str, bytes]) -> None:
    with pytest.raises(NotATable):
        table_text(archive(**files))


def test_a_damaged_archive_is_told_so() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as writer:
        writer.writestr("types", types("a"))
        writer.writestr("dataset.csv", b"12345\n" * 10)
    damaged = content.getvalue().replace(b"12345\n12345\n", b"12345\n12346\n", 1)
    with pytest.raises(NotATable):
        table_text(zipfile.ZipFile(io.BytesIO(damaged)))


def test_a_large_table_is_not_held(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("large") / "result.zip"
    row = b"0123456789abcdef,0123456789abcdef\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as writer:
        writer.writestr("types", types("a", "b"))
        with writer.open("dataset.csv", "w") as data:
            for _ in range(100):
                data.write(row * 10_000)
    tracemalloc.start()
    try:
        with zipfile.ZipFile(path) as found, path.with_suffix(".csv").open("wb") as into:
            write_table(found, into)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.with_suffix(".csv").stat().st_size == len(b"a,b\n") + 1_000_000 * len(row)
    assert peak < 2 * MIB


def test_results_as_older_scripts_read_them() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as writer:
        writer.writestr("types", types("a", "b"))
        writer.writestr("dataset.csv", b"1,2\n")
    assert read_sql_query_result_as_string(content.getvalue()) == "a,b\n1,2"
    assert read_sql_query_result_as_string(content.getvalue(), include_header=False) == "1,2"
    with pytest.raises(BadRequestError, match="no zip"):
        read_sql_query_result_as_string(b"a,b\n1,2\n")
