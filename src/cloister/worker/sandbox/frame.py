"""Lay out on the host what one container sees: a handful of mounts made for it and gone with it.

Threat: a host path or another task's leftovers showing through. The image is the lower layer of a read-only
overlay whose upper layer is an almost empty folder of ours. This hides the image's host name and accounts, gives the
mount points without writing to the image, and makes free space that of our folder, not of the host's disk.

Threat: something in an input that is more than data, such as a socket that somebody listens at. Inputs are walked,
and only regular files and folders are let in.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from cloister.errors import DefinitionInvalid, SandboxUnavailable
from cloister.rooms.limits import Limits
from cloister.worker import linux
from cloister.worker.sandbox import bundle
from cloister.worker.sandbox.scratch import PAGE, mount_memory, resize_memory

_QUIET = linux.MS_NOSUID | linux.MS_NODEV
_FOLDER_MODE = 0o755
_SPARE_FILES = 1000  # empty files and folders, besides one file a page
_SPARE_BYTES = 2 * 1024 * 1024
_DATA = _QUIET | linux.MS_NOEXEC


DiskPlace = Literal["input", "output", "scratch"]
"""What can lie on a disk, encrypted, where memory is too small for it; /tmp and /scratch are one."""
MODES: Mapping[DiskPlace, int] = {"input": _FOLDER_MODE, "output": 0o1777, "scratch": 0o711}
FLAGS: Mapping[DiskPlace, int] = {"input": _DATA, "output": _DATA, "scratch": _QUIET}


class Room(NamedTuple):
    """What a folder can hold."""

    size_bytes: int
    """Of files, each rounded up to 4096."""
    files: int
    """Files and folders."""


def check_name(name: str) -> None:
    """Refuse a name of an additional file that could lie outside the code folder.

    Raises:
        DefinitionInvalid
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name or str(path) != name:
        raise DefinitionInvalid(
            f"{name!r} can't be the name of an additional file; use a plain relative path such as lib/helpers.py"
        )


def code_target(inputs: Collection[str]) -> str:
    """Where additional files and the script are seen: /input/code, or /code where an input is called `code`."""
    return "/code" if "code" in inputs else "/input/code"


def seal_inputs(folder: Path) -> None:
    """Make everything below `folder` readable by all, and check that it is nothing but files and folders.

    Raises:
        SandboxUnavailable: something else lies there; the staging is at fault, not the script.
    """
    folder.chmod(_FOLDER_MODE)
    for current, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in folders + files:
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                os.chmod(name, _FOLDER_MODE, dir_fd=descriptor)
            elif stat.S_ISREG(mode):
                os.chmod(name, 0o444, dir_fd=descriptor)
            else:
                raise SandboxUnavailable(
                    f"{Path(current, name)} is neither a file nor a folder, so it can't be an input."
                )


def lay_out(
    folder: Path,
    *,
    image_root: Path,
    layers: Sequence[Path] = (),
    code_target: str,
    launcher: str,
    on_disk: Mapping[DiskPlace, Path] | None = None,
) -> bundle.Places:
    """Make all mounts of one container below `folder`, which the caller clears later, also after an error.

    They hold nothing of a task, and have room for little: see `make_room` and `fill`.

    Args:
        layers: folders seen over the image, the first on top.
        on_disk: empty folders of this container's own to be used for some places, in memory otherwise. They have
            their sizes already.

    Raises:
        SandboxUnavailable: the image isn't what it must be.
    """
    tini = image_root / "usr/bin/tini"
    if not tini.exists():
        raise SandboxUnavailable(
            f"There is no image with tini at {image_root}; build it with `cloister image build python`."
        )
    on_disk = on_disk or {}
    frame = _mounted(folder / "frame", _SPARE_BYTES, _SPARE_FILES, 0o711, _DATA)
    skeleton = frame / "skeleton"
    _write_tree(skeleton, {name: text.encode() for name, text in bundle.SKELETON_FILES.items()})
    _write_tree(skeleton, {bundle.LAUNCHER.lstrip("/"): launcher.encode()})
    _write_tree(skeleton, {bundle.TINI["kernel"].lstrip("/"): tini.read_bytes()}, mode=0o111)
    for name in bundle.SKELETON_FOLDERS:
        (skeleton / name).mkdir(mode=0o755, exist_ok=True)

    devices = _mounted(folder / "devices", 16 * PAGE, 32, 0o755, linux.MS_NOSUID | linux.MS_NOEXEC)
    _make_devices(devices)
    output = on_disk.get("output") or _mounted(folder / "output", _SPARE_BYTES, _SPARE_FILES, 0o1777, _DATA)
    memory = _mounted(folder / "memory", _SPARE_BYTES, _SPARE_FILES, 0o711, _QUIET)
    work = on_disk.get("scratch") or memory
    for place in (work / "tmp", work / "scratch", memory / "shm"):
        place.mkdir()
        place.chmod(0o1777)
    inputs = on_disk.get("input") or _mounted(folder / "input", PAGE, 1, _FOLDER_MODE, _DATA)
    if code_target == "/input/code":
        _new(inputs / "code")
    return bundle.Places(
        root=_overlay(_new(folder / "root"), [skeleton, *layers, image_root]),
        input=inputs,
        code=_new(frame / "code"),
        code_target=code_target,
        output=output,
        tmp=work / "tmp",
        scratch=work / "scratch",
        shared_memory=memory / "shm",
        devices=devices,
    )


def make_room(places: bundle.Places, size_bytes: int, files: int) -> None:
    """Let the folder for inputs hold so much, and nothing more, besides the folder `code`."""
    resize_memory(places.input, size_bytes=size_bytes, files=files + 1, flags=_DATA)


def fill(places: bundle.Places, code: Mapping[str, bytes], limits: Limits, on_disk: Collection[DiskPlace] = ()) -> None:
    """Put the code where it is seen, close the inputs, and give the writable folders the sizes that a task may use.

    Args:
        on_disk: places that have their sizes already.

    Raises:
        DefinitionInvalid: a code file's name isn't allowed.
        SandboxUnavailable: the inputs aren't what they must be.
    """
    for name in code:
        check_name(name)
    seal_inputs(places.input)
    sizes = sum(-(-len(content) // PAGE) * PAGE for content in code.values())
    names = sum(len(PurePosixPath(name).parts) for name in code)
    resize_memory(places.code.parent, size_bytes=_SPARE_BYTES + sizes, files=_SPARE_FILES + names, flags=_DATA)
    _write_tree(places.code, code)
    if "output" not in on_disk:
        room = output_room(limits)
        resize_memory(places.output, size_bytes=room.size_bytes, files=room.files, flags=_DATA)
    room = scratch_room(limits)
    resize_memory(places.shared_memory.parent, size_bytes=room.size_bytes, files=room.files, flags=_QUIET)


def output_room(limits: Limits) -> Room:
    """What /output has room for: a page and a file more than allowed. If even these are taken at the end, the limit was
    exceeded, not just met."""
    return Room(limits.output_bytes + PAGE, limits.output_files + 1)


def scratch_room(limits: Limits) -> Room:
    """What /tmp and /scratch together have room for."""
    return Room(limits.scratch_bytes, limits.scratch_bytes // PAGE + _SPARE_FILES)


def _new(folder: Path) -> Path:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    return folder


def _mounted(folder: Path, size_bytes: int, files: int, mode: int, flags: int) -> Path:
    mount_memory(_new(folder), size_bytes=size_bytes, files=files, mode=mode, flags=flags)
    return folder


def _write_tree(base: Path, files: Mapping[str, bytes], mode: int = 0o444) -> None:
    base.mkdir(exist_ok=True)
    base.chmod(0o755)
    for name, content in files.items():
        path = base / name
        missing = [parent for parent in path.relative_to(base).parents if not (base / parent).exists()]
        for parent in reversed(missing):
            (base / parent).mkdir()
            (base / parent).chmod(0o755)
        path.write_bytes(content)
        path.chmod(mode)


def _make_devices(folder: Path) -> None:
    for name, minor in bundle.DEVICE_NUMBERS.items():
        path = folder / name
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        path.chmod(0o666)
    (folder / "shm").mkdir()
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (folder / name).symlink_to(f"/proc/self/fd{target}")


def _overlay(target: Path, folders: Sequence[Path]) -> Path:
    # Named by descriptor, since the mount table inside shows these words.
    descriptors = [os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for layer in folders]
    try:
        layers = ":".join(f"/proc/self/fd/{descriptor}" for descriptor in descriptors)
        linux.mount("overlay", target, "overlay", linux.MS_RDONLY | _QUIET, f"lowerdir={layers}")
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return target
