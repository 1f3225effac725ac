"""The collector: what it takes, what it refuses and with which words, and that the zip depends on nothing else."""

from __future__ import annotations

import io
import os
import socket
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.errors import EnclaveError
from cloister.rooms.limits import MIB, Limits
from cloister.worker.sandbox.collector import CHUNK, collect

SECRET = "patient-4711"
OWN_DESCRIPTORS = Path("/proc/self/fd")
LIMITS = Limits(output_bytes=64 * MIB, output_files=50)


def unpack(folder: Path, limits: Limits = LIMITS, extra: dict[str, bytes] | None = None) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(collect(folder, limits, extra)))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a/b/empty").mkdir(parents=True)
    (tmp_path / "a/b/deep.txt").write_bytes(b"deep")
    (tmp_path / "ünï cödé (1).csv").write_bytes(b"")
    (tmp_path / "big").write_bytes(os.urandom(3 * CHUNK + 7))
    found = unpack(tmp_path, extra={"container.log": b"log"})
    assert found.pop("big") == (tmp_path / "big").read_bytes()
    assert found == {"a/b/deep.txt": b"deep", "ünï cödé (1).csv": b"", "container.log": b"log"}


def test_nothing_but_names_and_bytes_counts(tmp_path: Path) -> None:
    archives = []
    for name, order, mode in (("one", "abc", 0o600), ("two", "cba", 0o7777)):
        folder = tmp_path / name
        folder.mkdir()
        for file in order:
            (folder / file).write_text(file * 100)
            (folder / file).chmod(mode)
            os.utime(folder / file, (1, ord(file) * 1000))
        archives.append(b"".join(collect(folder, LIMITS)))
    assert archives[0] == archives[1]
    with zipfile.ZipFile(io.BytesIO(archives[0])) as archive:
        for info in archive.infolist():
            assert info.external_attr >> 16 == 0o100644
            assert info.date_time == (1980, 1, 1, 0, 0, 0)


def test_an_empty_output_is_an_empty_zip(tmp_path: Path) -> None:
    assert unpack(tmp_path) == {}


def test_unreadable_files_and_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed/file").write_text("x")
    (tmp_path / "closed/file").chmod(0)
    (tmp_path / "closed").chmod(0)
    assert unpack(tmp_path) == {"closed/file": b"x"}


def link_to_a_file(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def dangling_link(path: Path) -> None:
    path.symlink_to(SECRET)


def link_to_a_folder(path: Path) -> None:
    path.symlink_to("/etc")


def link_upwards(path: Path) -> None:
    path.symlink_to("..")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def device(path: Path) -> None:
    os.mknod(path, 0o020666, os.makedev(1, 5))


def hard_link(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("x")
    path.hardlink_to(other)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (link_to_a_file, "a symbolic link"),
        (dangling_link, "a symbolic link"),
        (link_to_a_folder, "a symbolic link"),
        (link_upwards, "a symbolic link"),
        (fifo, "a FIFO"),
        (unix_socket, "a socket"),
        (device, "a device"),
        (hard_link, "hard links"),
    ],
)
@pytest.mark.parametrize("depth", [0, 2])
def test_anything_but_plain_files_is_refused_by_kind(
    tmp_path: Path, make: Callable[[Path], None], kind: str, depth: int
) -> None:
    folder = tmp_path.joinpath(*["in"] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    make(folder / SECRET)
    with pytest.raises(EnclaveError, match=kind) as refused:
        collect(tmp_path, LIMITS)
    assert SECRET not in refused.value.message


@pytest.mark.parametrize(
    "name",
    [
        *(b"line\nbreak", b"bell\x07", b"\x1b[31mred", b"latin-\xe9", b"back\\slash", b"\x7f", b"x" * 241),
        *("\u202egnp.exe".encode(), "zero\u200bwidth".encode(), "line\u2028separator".encode(), "\ue000".encode()),
    ],
)
def test_odd_names_are_refused(tmp_path: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    with pytest.raises(EnclaveError, match="name") as refused:
        collect(tmp_path, LIMITS)
    assert name.decode(errors="replace") not in refused.value.message


def test_long_paths_and_deep_folders_are_refused(tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    for _ in range(66):
        deep = deep / "d"
        deep.mkdir()
    with pytest.raises(EnclaveError, match="nested"):
        collect(tmp_path / "deep", Limits())
    long = tmp_path / "long"
    (long / ("a" * 230) / ("b" * 230) / ("c" * 230) / ("d" * 230) / ("e" * 230)).mkdir(parents=True)
    with pytest.raises(EnclaveError, match="too long"):
        collect(long, LIMITS)


def test_caps(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).write_bytes(bytes(100))
    assert len(unpack(tmp_path, Limits(output_bytes=500, output_files=5))) == 5
    with pytest.raises(EnclaveError, match=r"limit on output size \(499 bytes\)"):
        collect(tmp_path, Limits(output_bytes=499, output_files=5))
    with pytest.raises(EnclaveError, match=r"limit on output files \(4 "):
        collect(tmp_path, Limits(output_bytes=500, output_files=4))


def test_a_sparse_file_counts_by_its_apparent_size(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(EnclaveError, match="limit on output size"):
        collect(tmp_path, LIMITS)


def test_large_files_take_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(48 * MIB)
    tracemalloc.start()
    size = sum(len(chunk) for chunk in collect(tmp_path, LIMITS))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < size < MIB
    assert peak < 8 * MIB


def test_files_beyond_four_gibibytes_are_announced_as_such(tmp_path: Path) -> None:
    size = (4 << 30) + 5
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(size)
    chunks = collect(tmp_path, Limits(output_bytes=size))
    header = next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    name_length, extra_length = struct.unpack_from("<HH", header, 26)
    extra = header[30 + name_length :][:extra_length]
    assert struct.unpack_from("<HH", extra) == (1, 16)  # the ZIP64 field: APPNOTE 4.5.3


def test_a_name_that_cloister_uses(tmp_path: Path) -> None:
    (tmp_path / "container.log").mkdir()
    (tmp_path / "container.log/x").write_text("x")
    with pytest.raises(EnclaveError, match=r"its own container\.log"):
        collect(tmp_path, LIMITS, {"container.log": b""})


def test_descriptors_are_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    before = len(list(OWN_DESCRIPTORS.iterdir()))
    unpack(tmp_path)
    abandoned = collect(tmp_path, LIMITS)
    next(abandoned)
    abandoned.close()  # type: ignore[attr-defined]
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(EnclaveError):
        collect(tmp_path, LIMITS)
    assert len(list(OWN_DESCRIPTORS.iterdir())) == before


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20)


@given(st.dictionaries(names.filter(lambda name: name not in (".", "..")), st.binary(max_size=300), max_size=6))
def test_whatever_is_collected_unpacks_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("output")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        found = unpack(folder)
    except EnclaveError:
        assert any(not name.isprintable() or "\\" in name for name in files)
    else:
        assert found == files
