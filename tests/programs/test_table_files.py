"""Validation of tables, what comes as a file: packed, in other encodings, cut off, far too large."""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.programs.tables import Validated, column, read_output, validate

MIB = 1024 * 1024
TWO = [column(), column("INTEGER", nullable=True)]
DATA = "Zoé,1\nBob,2\n"
MODULES = Path(__file__).parents[2] / "images/modules"


def gzipped(content: bytes) -> bytes:
    """No time in it: the processes that share the tests have to agree on the tests' names, which tell the bytes."""
    return gzip.compress(content, mtime=0)


def zipped(*files: tuple[str, bytes], **options: Any) -> bytes:
    """Made in 1980, whenever it is made."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (DATA.encode(), "text/csv"),
        (DATA.encode("utf-8-sig"), "text/csv"),
        (DATA.encode("cp1252"), "text/csv"),
        (DATA.replace("\n", "\r\n").encode(), "text/csv"),
        (DATA.replace("\n", "\r").encode(), "text/csv"),
        (DATA.replace("\n", "\n\r\n\r").encode(), "text/csv"),
        (DATA.strip().encode(), "text/csv"),
        (("\n\n" + DATA + "\n\n").encode("utf-8-sig"), "text/csv"),
        (gzipped(DATA.encode()), "application/gzip"),
        (gzipped(DATA.encode()[:5]) + gzipped(DATA.encode()[5:]), "application/gzip"),
        (gzipped(DATA.encode("cp1252")), "application/gzip"),
        (zipped(("table.csv", DATA.encode())), "application/zip"),
        (zipped(("folder/", b""), ("folder/table.csv", DATA.encode("utf-8-sig"))), "application/zip"),
        (zipped((".DS_Store", b"x"), ("a.csv", DATA.encode()), ("__MACOSX/._a.csv", b"\0")), "application/zip"),
    ],
)
def test_what_is_accepted_comes_out_the_same(content: bytes, kind: str) -> None:
    validated = validate(content, TWO)
    assert validated.passed, validated.report
    assert validated.data == DATA.encode()
    assert (validated.report["detectedFileType"], validated.report["originalFileSizeBytes"]) == (kind, len(content))


def encrypted() -> bytes:
    """A zip that says of itself that it is encrypted, in both of its lists."""
    made = bytearray(zipped(("table.csv", DATA.encode())))
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(magic) + place] |= 1
    return bytes(made)


def with_link() -> bytes:
    entry = zipfile.ZipInfo("table.csv")
    entry.external_attr = 0o120777 << 16
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return made.getvalue()


def with_long_directory() -> bytes:
    """Says that its list of files is a GiB long."""
    made = bytearray(zipped(("table.csv", DATA.encode())))
    struct.pack_into("<I", made, made.index(b"PK\x05\x06") + 12, 2**30)
    return bytes(made)


GOOD_GZIP, GOOD_ZIP = gzipped(DATA.encode() * 1000), zipped(("table.csv", DATA.encode() * 1000))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a,1\nb\0,2\n", "INVALID_ENCODING"),
        (DATA.encode("utf-16"), "INVALID_ENCODING"),
        (DATA.encode("utf-16-le"), "INVALID_ENCODING"),
        (DATA.encode("utf-32"), "INVALID_ENCODING"),
        (b"a\x81,1\n", "INVALID_ENCODING"),
        ("テーブル,1\n".encode("shift-jis"), "INVALID_ENCODING"),
        (b"a,1\n\xc3", None),
        (b'a,1\n"b,2\n', "INVALID_CSV"),
        (b'a,1\n"b,2\nc,3', "INVALID_CSV"),
        (b'"a"b,1\n', "INVALID_CSV"),
        (b'"a" ,1\n', "INVALID_CSV"),
        (b'"', "INVALID_CSV"),
        (GOOD_GZIP[:-9], "INVALID_ARCHIVE"),
        (GOOD_GZIP[:20], "INVALID_ARCHIVE"),
        (GOOD_GZIP[:-6] + b"xx" + GOOD_GZIP[-4:], "INVALID_ARCHIVE"),
        (b"\x1f\x8b", "INVALID_ARCHIVE"),
        (b"\x1f\x8b\x08" + b"\xff" * 40, "INVALID_ARCHIVE"),
        (GOOD_ZIP[:-9], "INVALID_ARCHIVE"),
        (GOOD_ZIP[:60] + b"????" + GOOD_ZIP[64:], "INVALID_ARCHIVE"),
        (zipped(), "INVALID_ARCHIVE"),
        (zipped(("folder/", b"")), "INVALID_ARCHIVE"),
        (zipped(("a.csv", b"a,1"), ("b.csv", b"b,1")), "INVALID_ARCHIVE"),
        (zipped(("../table.csv", b"a,1")), "INVALID_ARCHIVE"),
        (zipped(("..\\table.csv", b"a,1")), "INVALID_ARCHIVE"),
        (zipped(("/etc/table.csv", b"a,1")), "INVALID_ARCHIVE"),
        (zipped(("C:\\table.csv", b"a,1")), "INVALID_ARCHIVE"),
        (encrypted(), "INVALID_ARCHIVE"),
        (with_link(), "INVALID_ARCHIVE"),
        (with_long_directory(), "INVALID_ARCHIVE"),
        (zipped(("inner.zip", GOOD_ZIP)), "INVALID_ENCODING"),
        (b"a" * 6 * MIB, "ROW_TOO_LONG"),
        (b"a,1\n" + b'"' + b"\n" * 6 * MIB + b'",2\n', "ROW_TOO_LONG"),
        (b'"\n",' * (5 * MIB // 4), "ROW_TOO_LONG"),
        (b"a,1\r" * 10 + b"b" * 6 * MIB, "ROW_TOO_LONG"),
    ],
)
@pytest.mark.parametrize("drop", [False, True])
def test_what_no_table_can_be_made_of_fails_with_one_error(content: bytes, code: str | None, drop: bool) -> None:
    validated = validate(content, TWO, drop=drop)
    if code is None:  # not UTF-8, so taken for windows-1252
        assert validated.report["schema"]["numErrorsTotal"] == 1
        return
    assert validated.file_error == code
    assert validated.report["numRowsTotal"] == 0


@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\x1f\x8b\x08\0", b"PK\x03\x04", GOOD_ZIP[:40], b"\xef\xbb\xbf", b"a,1\n"]),
)
@settings(max_examples=30)
def test_no_bytes_at_all_lead_to_anything_but_a_report(content: bytes, begin: bytes) -> None:
    validated = validate(begin + content, TWO, drop=True)
    assert validated.report["outcome"] in ("PASSED", "FAILED")


@given(st.integers(0, len(GOOD_ZIP) - 1), st.integers(0, 255), st.booleans())
@settings(max_examples=30)
def test_damaged_archives_lead_to_a_report(place: int, value: int, as_gzip: bool) -> None:
    made = bytearray(GOOD_GZIP if as_gzip else GOOD_ZIP)
    made[place % len(made)] = value
    assert validate(bytes(made), TWO, drop=True).report["outcome"] in ("PASSED", "FAILED")


RUN = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cloister_tables.table import run
place, most = Path(sys.argv[2]), int(sys.argv[3])
if most:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
run(json.loads(sys.argv[4]), place / "input", place / "output", place / "scratch")
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def apart(place: Path, columns: list[dict[str, Any]], most_file_bytes: int = 0, **more: Any) -> tuple[Validated, int]:
    """Runs the program on `input/patients` as a process of its own; also the memory that it took, in bytes."""
    (place / "output").mkdir()
    (place / "scratch").mkdir()
    config = {"table": "patients", "columns": columns, "unique": [], "drop_invalid_rows": False, **more}
    command = [sys.executable, "-c", RUN, str(MODULES), str(place), str(most_file_bytes), json.dumps(config)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return read_output(place / "output"), int(ran.stdout) * 1024


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    (tmp_path / "input").mkdir()
    return tmp_path / "input/patients"


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_bombs_end_where_there_is_no_more_room(patients: Path, kind: str) -> None:
    if kind == "gzip":
        with gzip.open(patients, "wb", compresslevel=1) as out:
            for _ in range(64):
                out.write(b"a,1\n" * (MIB // 4))
    else:
        with zipfile.ZipFile(patients, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as out:
            for _ in range(64):
                out.write(b"a,1\n" * (MIB // 4))
    validated, memory = apart(patients.parents[1], TWO, most_file_bytes=32 * MIB)
    assert validated.file_error == "FILE_TOO_LARGE"
    assert memory < 150 * MIB
    assert not list((patients.parents[1] / "scratch").iterdir())


def test_a_row_without_end_takes_no_memory(patients: Path) -> None:
    with patients.open("wb") as out:
        for _ in range(200):
            out.write(b"x" * MIB)
    validated, memory = apart(patients.parents[1], TWO)
    assert validated.file_error == "ROW_TOO_LONG"
    assert memory < 150 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("ragged", [False, True])
def test_memory_stays_the_same_whatever_the_size(patients: Path, ragged: bool) -> None:
    with patients.open("w") as out:
        for block in range(50):
            out.writelines(f"{block}-{i},{i}\n" for i in range(20_000))
        if ragged:
            out.write("a,1,2,3\nb,x\n" + "".join(f"7-{i},{i}\n" for i in range(50_000)))
    validated, memory = apart(patients.parents[1], TWO, unique=[[0]], drop_invalid_rows=True)
    assert validated.report["numRowsTotal"] == 1_000_000 + 50_002 * ragged
    assert validated.report["numInvalidRowsTotal"] == 20_002 * ragged
    assert memory < 1200 * MIB
