"""Room for plaintext on a disk, encrypted by the kernel with a key that nobody keeps.

Threat: plaintext that can be read from the disk, now or later: by whoever takes the machine, by the next who gets the
disk's blocks, from what a killed worker left. So each volume is a file system of its own in a file that never has a
name; everything in it, names of files too, lies below one folder with an encryption policy (fscrypt: AES-256-XTS,
AES-256-CTS for names). The key is random, made here, handed to the kernel and forgotten; it goes when the volume is
unmounted. What remains is noise, in blocks that the disk takes back when the last user is gone, also by `kill -9`.

What the disk shows all the same: how large the files are, when they were written, and how many there are.

The kernel's page cache of a volume is memory that it takes back whenever it wants, so that data of any size needs
little. The whole size is set aside on the disk beforehand: nothing that was promised room fails for want of it later.

Linux's uapi headers loop.h and fscrypt.h have the numbers below.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cloister.rooms.limits import GIB, MIB
from cloister.worker import linux

DEFAULT_FOLDER = Path("/var/lib/cloister/scratch")
DISK_RESERVE_BYTES = GIB
"""Of the disk's free space, what volumes leave to everybody else."""

_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE = 0x4C82, 0x4C0A
_LO_FLAGS_AUTOCLEAR, _LO_FLAGS_DIRECT_IO = 4, 16
_LOOP_MAJOR = 7
_ADD_KEY, _ADD_KEY_SIZE = 0xC0506617, 80
_SET_POLICY = 0x800C6613
_KEY_BY_IDENTIFIER = 2
_POLICY_V2, _AES_256_XTS, _AES_256_CTS, _PAD_NAMES_TO_32 = 2, 1, 4, 3
_KEY_BYTES = 64
_MKFS_SECONDS = 120
_BLOCK = 4096
_INODE = 256
_OVERHEAD_BYTES = 64 * MIB


class DiskUnusable(Exception):
    """This machine can't make encrypted volumes. The message is for the operator."""


class _Failed(Exception):
    """Something that was called has failed."""


class DiskFull(DiskUnusable):
    """There is no room for a volume of that size. The message is for the operator."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place
        """What it was for, where that is known."""


class Disk:
    """A folder on a disk where volumes may be made; made itself with the first of them.

    Args:
        folder: on a file system that knows O_TMPFILE and fallocate(2): ext4, xfs, btrfs, tmpfs.
        most_bytes: what all volumes of this worker together may take of it; None for all that is free but
            `DISK_RESERVE_BYTES`.
    """

    def __init__(self, folder: Path = DEFAULT_FOLDER, most_bytes: int | None = None) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self.usable = True
        """Whether encrypted volumes can be made here, as far as that has been tried."""
        self._taken = 0

    @contextlib.contextmanager
    def volume(self, target: Path, *, size_bytes: int, files: int, mode: int, flags: int) -> Iterator[Path]:
        """Mounts an empty encrypted volume at the existing folder `target`; the folder in it to be used.

        Whoever made `target` unmounts it; what the volume takes of `most_bytes` is given back when the `with` ends.

        Args:
            size_bytes: of files, each rounded up to 4096.
            files: files and folders. It has room for a few more of either.
            mode: permission bits of the folder.
            flags: MS_ flags of mount(2).

        Raises:
            DiskFull: the disk, or `most_bytes`, has no room for it.
            DiskUnusable: this kernel, or the folder's file system, can't do it.
        """
        size = _whole_size(size_bytes, files)
        if self.most_bytes is not None and self._taken + size > self.most_bytes:
            raise DiskFull(f"{size} bytes of encrypted scratch are needed; {self.most_bytes} are allowed")
        self._taken += size
        try:
            yield self._mount(target, size, files, mode, flags)
        finally:
            self._taken -= size

    def _mount(self, target: Path, size: int, files: int, mode: int, flags: int) -> Path:
        with contextlib.ExitStack() as held:
            try:
                backing = self._nameless_file(size)
                held.callback(os.close, backing)
                device = _loop_device(backing)
                held.callback(os.close, device)
                _make_file_system(device, files)
                # Named by descriptor, since the mount table inside containers shows this word.
                linux.mount(f"/proc/self/fd/{device}", target, "ext4", flags)
                return _encrypted_folder(target, mode)
            except DiskFull:
                raise
            except (OSError, _Failed) as error:
                self.usable = False
                raise DiskUnusable(f"Scratch on disk can't be encrypted here: {error}.") from error

    def _nameless_file(self, size: int) -> int:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # two workers must not both find the same space free
            facts = os.statvfs(folder)
            free = facts.f_bavail * facts.f_frsize - DISK_RESERVE_BYTES
            if size > free:
                raise DiskFull(f"{size} bytes of encrypted scratch are needed; {self.folder} has {max(0, free)} free")
            file = os.open(self.folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, size)
            except OSError as error:
                os.close(file)
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise DiskFull(f"{size} bytes of encrypted scratch are not free in {self.folder}") from None
                raise
            return file
        finally:
            os.close(folder)


def _whole_size(size_bytes: int, files: int) -> int:
    """With what the file system itself needs, one block for each folder included."""
    size = size_bytes + size_bytes // 32 + files * (_INODE + _BLOCK) + _OVERHEAD_BYTES
    return -(-size // MIB) * MIB


def _loop_device(backing: int) -> int:
    """An open block device over the file, which is freed with its last user."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        while True:
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            place = Path(f"/dev/loop{number}")
            if not place.exists():  # where no daemon makes them
                with contextlib.suppress(FileExistsError):
                    os.mknod(place, 0o600 | 0o060000, os.makedev(_LOOP_MAJOR, number))
            device = os.open(place, os.O_RDWR | os.O_CLOEXEC)
            # struct loop_config: file, block size, struct loop_info64 with its flags, reserved. Direct: no second copy
            # in the page cache.
            flags = _LO_FLAGS_AUTOCLEAR | _LO_FLAGS_DIRECT_IO
            information = struct.pack("=5Q4I64s64s32s2Q", 0, 0, 0, 0, 0, 0, 0, 0, flags, b"", b"", b"", 0, 0)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, struct.pack("=II", backing, 0) + information + bytes(64))
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise  # somebody else was given the same number: another one then
            else:
                return device
    finally:
        os.close(control)


def _make_file_system(device: int, files: int) -> None:
    features = "encrypt,^has_journal,^resize_inode"  # no journal: nothing has to survive
    command = ["mkfs.ext4", "-q", "-F", "-b", str(_BLOCK), "-I", str(_INODE), "-m", "0", "-N", str(files + 64)]
    command += ["-O", features, "-E", "nodiscard,lazy_itable_init=1", f"/proc/self/fd/{device}"]
    try:
        made = subprocess.run(
            command, pass_fds=(device,), capture_output=True, text=True, timeout=_MKFS_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _Failed("mkfs.ext4 took too long") from None
    if made.returncode != 0:
        raise _Failed(f"mkfs.ext4 says: {made.stderr.strip()}")


def _encrypted_folder(root: Path, mode: int) -> Path:
    """A folder on the volume in which the kernel encrypts everything, with a key that it alone has."""
    folder = root / "files"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # struct fscrypt_add_key_arg: kind, room for the identifier that the kernel answers, size, reserved, key.
        request = bytearray(struct.pack("=II32sII32s", _KEY_BY_IDENTIFIER, 0, b"", _KEY_BYTES, 0, b""))
        assert len(request) == _ADD_KEY_SIZE
        request += os.urandom(_KEY_BYTES)
        try:
            fcntl.ioctl(descriptor, _ADD_KEY, request, True)
        finally:
            request[_ADD_KEY_SIZE:] = bytes(_KEY_BYTES)
        identifier = bytes(request[8:24])
        policy = struct.pack("=BBBB4s16s", _POLICY_V2, _AES_256_XTS, _AES_256_CTS, _PAD_NAMES_TO_32, b"", identifier)
        fcntl.ioctl(descriptor, _SET_POLICY, policy)
    finally:
        os.close(descriptor)
    folder.chmod(mode)
    return folder
