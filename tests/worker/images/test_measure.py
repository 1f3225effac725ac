"""The measurement covers what a script can see, and nothing else."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.worker.images.measure import measure_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr").chmod(0o755)
    (root / "usr/bin").chmod(0o755)
    (root / "usr/bin/run").write_bytes(b"#!/bin/sh\n")
    (root / "usr/bin/run").chmod(0o755)
    (root / "usr-note é").write_bytes(b"")
    (root / "usr-note é").chmod(0o644)
    (root / "bin").symlink_to("usr/bin")
    return root


def test_the_canonical_description_is_as_documented(tree: Path) -> None:
    empty = hashlib.sha256(b"").hexdigest()
    script = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    lines = [
        "cloister-image-v1",
        '["bin","link","usr/bin"]',
        '["usr","dir",493]',
        f'["usr-note é","file",420,"{empty}"]',
        '["usr/bin","dir",493]',
        f'["usr/bin/run","file",493,"{script}"]',
    ]
    text = "".join(line + "\n" for line in lines)
    assert measure_tree(tree) == hashlib.sha256(text.encode()).hexdigest()


def _append(tree: Path) -> None:
    with (tree / "usr/bin/run").open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    "change",
    [
        _append,
        lambda tree: (tree / "usr/bin/run").chmod(0o4755),
        lambda tree: (tree / "usr").chmod(0o1755),
        lambda tree: (tree / "usr/bin/run").rename(tree / "usr/bin/ran"),
        lambda tree: (tree / "bin").rename(tree / "sbin"),
        lambda tree: [(tree / "bin").unlink(), (tree / "bin").symlink_to("usr")],
        lambda tree: (tree / "new").mkdir(),
        lambda tree: (tree / "usr-note é").unlink(),
    ],
)
def test_any_visible_change_is_another_measurement(tree: Path, change: Callable[[Path], object]) -> None:
    before = measure_tree(tree)
    change(tree)
    assert measure_tree(tree) != before


def test_times_and_the_order_of_making_are_not_covered(tree: Path, tmp_path: Path) -> None:
    before = measure_tree(tree)
    os.utime(tree / "usr/bin/run", (1, 1))
    again = tmp_path / "again"
    again.mkdir()
    for entry in sorted(tree.iterdir(), reverse=True):
        entry.rename(again / entry.name)
    assert measure_tree(again) == before


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))


@pytest.mark.parametrize("make", [os.mkfifo, _socket])
def test_what_is_neither_file_nor_folder_nor_link_is_refused(tree: Path, make: Callable[[Path], None]) -> None:
    make(tree / "odd")
    with pytest.raises(ValueError, match="files, folders and links only"):
        measure_tree(tree)


def test_a_name_that_is_not_utf8_is_refused(tree: Path) -> None:
    Path(os.fsdecode(bytes(tree) + b"/\xff")).touch()
    with pytest.raises(ValueError, match="UTF-8"):
        measure_tree(tree)
