"""Boot it, run one Python module of ours in it, and take what it says.

It sees this machine's files, read-only, under the same names; what it writes is gone with it. There is no acceleration:
it works wherever QEMU does, also inside virtual machines, some twenty times slower than this machine.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Literal

Groups = Literal["v1", "v2"]

CHECKOUT = Path(__file__).parents[2]
KERNEL = CHECKOUT / ".tools/vm"
"""Made by setup/vm."""
_DAEMONS = (Path("/usr/lib/qemu/virtiofsd"), Path("/usr/libexec/virtiofsd"))
# In the order in which they need each other.
_DRIVERS = """
    drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
    drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci fs/fuse/fuse fs/fuse/virtiofs lib/libcrc32c
    fs/erofs/erofs drivers/block/loop fs/overlayfs/overlay
"""
_MEMORY = "2G"
BEGIN, END = "---- the guest says ----", "---- that was it ----"


def missing() -> str | None:
    """What isn't there to boot one, in words; None where all is."""
    if not (KERNEL / "vmlinuz").exists() or shutil.which("qemu-system-x86_64") is None:
        return "there is no virtual machine for tests: run setup/vm"
    return None


def run(module: str, groups: Groups, timeout_seconds: float) -> str:
    """What `python -m module` prints in it, as root.

    Raises:
        AssertionError: it did not get that far, or not in time; with all that it said.
    """
    with tempfile.TemporaryDirectory(prefix="cloister-vm-") as name:
        folder = Path(name)
        place, initrd = folder / "files.sock", folder / "initrd"
        initrd.write_bytes(_initrd(folder / "tree", module))
        with (folder / "files.log").open("wb") as log, _serve_files(place, log) as files:
            try:
                said = _boot(place, initrd, groups, timeout_seconds)
            finally:
                files.kill()
    before, _, rest = said.partition(BEGIN)
    text, end, _ = rest.partition(END)
    assert end, f"the virtual machine said: {before}{rest}"
    return text


def _serve_files(place: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        daemon = next(str(each) for each in _DAEMONS if each.exists())
        options = ["-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot"]
        return subprocess.Popen(
            [daemon, f"--fd={listening.fileno()}", "-f", *options],
            pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def _boot(place: Path, initrd: Path, groups: Groups, timeout_seconds: float) -> str:
    command = [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", _MEMORY),
        *("-M", "q35,memory-backend=memory", "-object", f"memory-backend-memfd,id=memory,size={_MEMORY},share=on"),
        *("-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"),
        *("-kernel", str(KERNEL / "vmlinuz"), "-initrd", str(initrd)),
        *("-append", f"console=ttyS0 loglevel=0 panic=-1 groups={groups}"),
        *("-chardev", f"socket,id=files,path={place}"),
        *("-device", "vhost-user-fs-pci,chardev=files,tag=root"),
    ]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout_seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"the virtual machine took too long; it said: {error.stdout!r}") from None
    return ended.stdout.decode(errors="replace")


def _initrd(tree: Path, module: str) -> bytes:
    for name in ("bin", "drivers", "proc", "sys", "dev", "new"):
        (tree / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    for number, driver in enumerate(_DRIVERS.split()):
        shutil.copy(KERNEL / f"modules/{driver}.ko", tree / f"drivers/{number:02}.ko")
    shutil.copy(Path(__file__).with_name("init"), tree / "init")
    (tree / "init").chmod(0o755)
    (tree / "guest").write_text(
        f"export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1\ncd '{CHECKOUT}'\n"
        f"echo; echo '{BEGIN}'\n'{sys.executable}' -m {module} && echo '{END}'\nbusybox poweroff -f\n"
    )
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    return subprocess.run(
        ["cpio", "--create", "--quiet", "--format=newc"],
        cwd=tree,
        input=names.encode(),
        capture_output=True,
        check=True,
    ).stdout
