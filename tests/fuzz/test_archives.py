"""Archives of results as inputs of other computations: changed, lying about sizes, with names that no result has."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.worker.archives import ArchiveInvalid, open_archive, unpack

CANARY = "canary-5d1f"
FILES = {f"{CANARY}/b": b"x" * 500, "c": bytes(range(256)), "grün": b""}


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return written.getvalue()


ARCHIVE = packed(FILES)


def read(raw: bytes, folder: Path) -> None:
    """Unpacks, and nothing is outside of the folder, or larger than was said."""
    with open_archive(io.BytesIO(raw)) as archive:
        said = {member.filename: member.file_size for member in archive.infolist()}
        unpack(archive, folder)
    found = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if not path.is_dir()}
    assert found == said


@given(st.data())
@settings(max_examples=1000)
def test_any_change_is_noticed_or_does_no_harm(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    changed = bytearray(ARCHIVE)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        end = place + data.draw(st.sampled_from([1, 1, 2, 4, 30]))
        changed[place:end] = data.draw(st.binary(max_size=5) | st.sampled_from([b"\xff" * 4, b"\0", b"PK\x01\x02"]))
    parent = tmp_path_factory.mktemp("changed")
    told = ""
    try:
        read(bytes(changed), parent / "result")
    except ArchiveInvalid as error:
        told = str(error)
    assert CANARY not in told
    assert {path.name for path in parent.iterdir()} <= {"result"}


NAMES = [
    ["../x"],
    ["/x"],
    ["a/../x"],
    ["a//x"],
    ["."],
    ["a/"],
    ["a", "a/b"],
    ["a/b", "a"],
    ["a", "a"],
    ["a" * 300],
    ["/".join(["a"] * 2000)],
    ["/".join(["a"] * 30_000)],
]


@pytest.mark.parametrize("names", NAMES, ids=lambda names: ",".join(names)[:20])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_names_that_no_result_has(tmp_path: Path, names: list[str]) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"")
    with pytest.raises(ArchiveInvalid, match=r"a name in it isn't one|damaged"):
        read(written.getvalue(), tmp_path / "result")
    assert {path.name for path in tmp_path.iterdir()} <= {"result"}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_of_compressing_that_results_do_not_use(tmp_path: Path, method: int) -> None:
    with pytest.raises(ArchiveInvalid, match="compressed as results aren't"):
        read(packed(FILES, method), tmp_path / "result")


@pytest.mark.parametrize("said", [0, 1, 2**32 - 2])
def test_a_file_is_never_longer_than_its_archive_says(tmp_path: Path, said: int) -> None:
    """However much it unpacks to: room was made for what it says."""
    raw = bytearray(packed({"bomb": bytes(50_000_000)}))
    place = raw.index(b"PK\x01\x02")
    assert struct.unpack_from("<L", raw, place + 24) == (50_000_000,)
    struct.pack_into("<L", raw, place + 24, said)
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveInvalid, match="damaged"):
            read(bytes(raw), tmp_path / "result")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    (file,) = (tmp_path / "result").iterdir()
    assert file.stat().st_size <= said
