"""What this machine has for running computations, and what of it holds when it is tried.

Facts that can be tried out are tried out: each runtime runs the probe's canary, a memory file system is mounted, an
image is opened. The rest is read from the kernel. Nothing is changed, and nothing raises because something is missing.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cloister.errors import ImageUnavailable, SandboxUnavailable, VerificationError
from cloister.rooms.limits import MIB
from cloister.worker import linux
from cloister.worker.images.store import current_images, open_image
from cloister.worker.sandbox import cgroups, probe
from cloister.worker.sandbox.encrypted import DEFAULT_FOLDER, Disk, DiskFull, DiskUnusable
from cloister.worker.sandbox.leftovers import DEFAULT_DIRECTORY
from cloister.worker.sandbox.runtime import Runtime, program

RUNTIMES = (*probe.CANDIDATES, "runsc", "kata-runtime")
"""What is looked for on PATH, besides what `CLOISTER_RUNTIME` names."""

_PACKAGES = {
    "runc": "runc",
    "runsc": "runsc (Debian 12: from bookworm-backports, where it is newer)",
}
_TEE_DEVICES = {"AMD SEV-SNP": "/dev/sev-guest", "Intel TDX": "/dev/tdx_guest", "AWS Nitro": "/dev/nsm"}
_TSM_REPORTS = Path("/sys/kernel/config/tsm/report")
_NEEDED = ("cpu", "memory", "pids")


class RuntimeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One OCI runtime."""

    name: str
    path: str | None
    """None where it is not installed."""
    version: str | None
    enforces: bool | None
    """Whether it passed the probe; None where that could not be tried."""
    verdict: str
    """One sentence, or a few words."""
    eligible: bool
    """Whether a worker would use it if it is good: it is named by `CLOISTER_RUNTIME`, or nothing is and it is usual."""


class ControlGroupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Control groups."""

    version: str
    """`v1`, `hybrid`, `v2` or `none`."""
    missing: tuple[str, ...]
    """Those of the controllers cpu, memory and pids that this process can't use."""
    delegated: bool
    """Whether this process may make groups of its own with all of these controllers."""


class MemoryFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Memory, in bytes."""

    total_bytes: int
    available_bytes: int
    swap_bytes: int
    noswap: bool | None
    """Whether a tmpfs can be kept out of swap; None where it could not be tried (it needs root)."""


class ScratchFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Encrypted scratch on a disk, for what doesn't fit into memory."""

    folder: str
    free_bytes: int
    """Of its disk, or of the one that it would be made on."""
    encrypts: bool | None
    """Whether a volume could be made there; None where that could not be tried."""
    problem: str | None
    """Why none could be made."""


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The image of one of today's recipes."""

    name: str
    measurement: str
    problem: str | None
    """Why it can't be used; None where it was opened and is what was measured."""


class TeeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Trusted hardware, as a guest sees it."""

    devices: tuple[str, ...]
    """Names of the kinds whose device file is there."""
    reports: bool
    """Whether the kernel hands out evidence by /sys/kernel/config/tsm/report."""


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, the verdict first."""

    safe: bool
    """Whether computations can be run here with every limit and wall in place."""
    verdict: str
    """One sentence: with what they can, or the first thing to do so that they can."""
    advice: tuple[str, ...]
    """What to do or install, the most urgent first."""
    root: bool
    """Whether this is the machine's root; root of a user namespace isn't."""
    kernel: str
    architecture: str
    cores: int
    """Those that this process may use."""
    memory: MemoryFacts
    control_groups: ControlGroupFacts
    user_namespaces: bool
    seccomp: bool
    erofs: bool
    """Whether the kernel has loaded erofs; it may still load it when asked."""
    loop_devices: bool
    scratch: ScratchFacts
    images: tuple[ImageFacts, ...]
    runtimes: tuple[RuntimeFacts, ...]
    tee: TeeFacts


def survey(directory: Path = DEFAULT_DIRECTORY, scratch: Path = DEFAULT_FOLDER) -> Survey:
    """Looks at this machine, some seconds long where slow runtimes are installed.

    Args:
        scratch: the folder that workers would put encrypted volumes into.

    Call `linux.enter_private_mounts` before, as a worker does, for nothing to be left should it be killed.
    """
    root = probe.has_rights(os.geteuid(), Path("/proc/self/uid_map").read_text())
    images, runtimes = _tried(directory, root)
    memory = _memory(root)
    disk = scratch_facts(scratch, root)
    groups = control_groups(cgroups.hierarchies(), Path("/proc/self/cgroup").read_text())
    safe, verdict = conclude(root, images, runtimes)
    return Survey(
        safe=safe,
        verdict=verdict,
        advice=tuple(advise(root, images, runtimes, memory, groups, disk)),
        root=root,
        kernel=platform.release(),
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory=memory,
        control_groups=groups,
        user_namespaces=(_number(Path("/proc/sys/user/max_user_namespaces")) or 0) > 0,
        seccomp=Path("/proc/sys/kernel/seccomp/actions_avail").exists(),
        erofs=any(line.split()[-1] == "erofs" for line in _lines(Path("/proc/filesystems"))),
        loop_devices=Path("/dev/loop-control").exists(),
        scratch=disk,
        images=images,
        runtimes=runtimes,
        tee=TeeFacts(
            devices=tuple(kind for kind, device in _TEE_DEVICES.items() if Path(device).exists()),
            reports=_TSM_REPORTS.exists(),
        ),
    )


def conclude(root: bool, images: Sequence[ImageFacts], runtimes: Sequence[RuntimeFacts]) -> tuple[bool, str]:
    """Whether computations can be run, and that in one sentence: the same conditions as a worker has."""
    if not root:
        return False, (
            "Computations can't be run by this user: start workers, and this command, as root "
            "(this machine's, not a user namespace's)."
        )
    if not any(image.problem is None for image in images):
        return False, "Computations can't be run: there is no image for them; run `cloister image build python`."
    chosen = next((each for each in runtimes if each.eligible and each.enforces), None)
    if chosen is None and any(each.enforces for each in runtimes):
        return False, f"Computations can't be run safely with the container runtime that {probe.CHOICE} names."
    if chosen is None:
        return False, "Computations can't be run safely: no container runtime here enforces what Cloister needs."
    return True, f"Computations can be run safely here, with {chosen.name}."


def advise(
    root: bool,
    images: Sequence[ImageFacts],
    runtimes: Sequence[RuntimeFacts],
    memory: MemoryFacts,
    groups: ControlGroupFacts,
    scratch: ScratchFacts,
) -> list[str]:
    """What to do about what was found; nothing where all is well."""
    advice = []
    if not root:
        advice.append("Run this command as root: most can't be tried otherwise, and workers run by nobody else.")
    if not images:
        advice.append("Build the image that computations run in: cloister image build python")
    advice += [
        f"Build the image {each.name} again: cloister image build --rebuild {each.name}"
        for each in images
        if each.problem is not None and root
    ]
    good = [each for each in runtimes if each.enforces]
    tried = [each for each in runtimes if each.eligible and each.enforces is not None]
    if good and not any(each.eligible for each in good):
        name = good[0].name
        advice.append(f"Use {name}, which passed: set {probe.CHOICE}={name}, or leave {probe.CHOICE} unset.")
    elif not any(each.eligible and each.path for each in runtimes):
        wanted = next((each.name for each in runtimes if each.eligible and each.name in _PACKAGES), "runc")
        advice.append(f"Install a container runtime: apt-get install {_PACKAGES[wanted]}")
    elif tried and not good:
        advice.append("Install another container runtime (apt-get install runc), or a newer version.")
    if groups.missing:
        advice.append(f"Make these control groups available to this process: {', '.join(groups.missing)}.")
    if memory.swap_bytes and memory.noswap is False:
        advice.append("Turn swap off (swapoff -a), or use Linux 6.4 or later: data in memory would be swapped out.")
    if scratch.encrypts is False:
        advice.append(
            "For inputs larger than memory: install e2fsprogs (mkfs.ext4), use a kernel with loop devices and ext4's "
            f"encryption, and a --scratch folder on a file system such as ext4. {scratch.problem}"
        )
    return advice


def control_groups(where: cgroups.Hierarchies, own: str) -> ControlGroupFacts:
    """What this process can do with them, by the text of /proc/self/cgroup."""
    if where.by_controller:
        missing = tuple(name for name in _NEEDED if name not in where.by_controller)
        places = [where.by_controller[name] for name in _NEEDED if name in where.by_controller]
    elif where.unified is not None:
        path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), "/")
        folder = where.unified / path.lstrip("/")
        controllers = " ".join(_lines(folder / "cgroup.controllers")).split()
        missing = tuple(name for name in _NEEDED if name not in controllers)
        places = [folder]
    else:
        missing, places = _NEEDED, []
    delegated = not missing and all(os.access(place, os.W_OK) for place in places)
    return ControlGroupFacts(version=where.version, missing=missing, delegated=delegated)


def _tried(directory: Path, root: bool) -> tuple[tuple[ImageFacts, ...], tuple[RuntimeFacts, ...]]:
    """Opens the images of today's recipes, and runs the canary in the first good one, under each runtime."""
    chosen = program(os.environ.get(probe.CHOICE, ""))
    images, runtimes = [], []
    canary_image = None
    try:
        try:
            current = current_images()
        except ImageUnavailable:
            current = {}
        for name, measurement in sorted(current.items()):
            problem = None
            try:
                opened = open_image(measurement)
            except (ImageUnavailable, VerificationError, OSError) as error:
                problem = str(error)
            else:
                if canary_image is None and probe.can_be_tried_in(opened.root):
                    canary_image = opened
                else:
                    opened.close()
            images.append(ImageFacts(name=name, measurement=measurement, problem=problem))
        image_root = canary_image.root if canary_image and root else None
        for name in dict.fromkeys([*([chosen] if chosen else []), *RUNTIMES]):
            eligible = name == chosen if chosen else name in probe.CANDIDATES
            runtimes.append(_runtime(name, image_root, directory, eligible=eligible))
    finally:
        if canary_image is not None:
            canary_image.close()
    return tuple(images), tuple(runtimes)


def _runtime(name: str, image_root: Path | None, directory: Path, *, eligible: bool) -> RuntimeFacts:
    path = shutil.which(name)
    version, enforces = None, None
    if path is None:
        verdict = "not installed"
    else:
        try:
            runtime = Runtime.named(name)
            version = runtime.version
            if image_root is None:
                verdict = "not tried: that needs root and an image"
            else:
                probe.check(runtime, image_root, directory)
                enforces, verdict = True, "enforces all that Cloister asks of it"
        except SandboxUnavailable as error:
            enforces, verdict = False, f"refused: {error}"
    return RuntimeFacts(name=name, path=path, version=version, enforces=enforces, verdict=verdict, eligible=eligible)


def scratch_facts(folder: Path, root: bool) -> ScratchFacts:
    """Makes a small encrypted volume where workers would make theirs, and lets go of it. The folder is not made."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.is_dir())
    facts = os.statvfs(there)
    encrypts, problem = None, None
    if root:
        with tempfile.TemporaryDirectory() as mounted:
            target = Path(mounted)
            try:
                with Disk(there).volume(target, size_bytes=MIB, files=1, mode=0o700, flags=linux.MS_NOEXEC):
                    encrypts = True
            except DiskFull as error:
                problem = f"{error}."
            except DiskUnusable as error:
                encrypts, problem = False, str(error)
            if target.is_mount():
                linux.unmount(target)
    return ScratchFacts(
        folder=str(folder), free_bytes=facts.f_bavail * facts.f_frsize, encrypts=encrypts, problem=problem
    )


def _memory(root: bool) -> MemoryFacts:
    sizes = {}
    for line in _lines(Path("/proc/meminfo")):
        name, _, value = line.partition(":")
        sizes[name] = int(value.split()[0]) * 1024
    return MemoryFacts(
        total_bytes=sizes.get("MemTotal", 0),
        available_bytes=sizes.get("MemAvailable", 0),
        swap_bytes=sizes.get("SwapTotal", 0),
        noswap=_knows_noswap() if root else None,
    )


def _knows_noswap() -> bool | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            linux.mount("tmpfs", Path(folder), "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=4096,noswap")
        except OSError as error:
            return False if error.errno == errno.EINVAL else None
        linux.unmount(Path(folder))
    return True


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    return next((int(line) for line in _lines(path) if line.isdecimal()), None)
