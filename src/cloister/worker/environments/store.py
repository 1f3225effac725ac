"""The environments on this machine: installed once for each lock and image, kept, handed out read-only.

A store is a folder:

    tools/<digest>/                    the installer, as a layer over an image
    <digest>/environment.json          what it is
    <digest>/layer/                    what is seen over the image of a script that uses it
    <digest>.lock                      held, shared, by who uses it; alone, by who makes or removes it

They go by their lock and their image's measurement, not by the text of the requirements. What was used least lately is
removed where the store grows too large; installing it again gives the same.

Threat: an environment of one room's that changes what another's scripts do. The digest covers every file that could
be installed, and what is in there was written by this worker. Nobody who isn't this machine's administrator can change
it; a damaged one is noticed before its first use by each worker, and made again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cloister.errors import EnclaveError
from cloister.formats.encoding import Hex32, canonical, pack, sha256
from cloister.rooms.environments import LockedPackage
from cloister.rooms.limits import GIB, Limits
from cloister.worker.environments.install import INSTALLER, Installer
from cloister.worker.environments.source import Source, configured_source
from cloister.worker.images.measure import measure_tree
from cloister.worker.images.programs import find_uv
from cloister.worker.images.store import OpenImage, default_store
from cloister.worker.sandbox.container import Sandbox

PLACE = "/environment"
"""Where the packages are seen in a script's container."""
MOST_BYTES = 50 * GIB
"""Of all environments on a machine together."""
_SPARE_BYTES = GIB
"""Of the disk, that installing finds free if that takes but removing others."""
_TICK_SECONDS = 0.1
_SITE_PACKAGES = "usr/local/lib/python3*/dist-packages"
# Behind the standard library, before the image's packages. Read by every Python that starts in the container, those
# that a script starts included. What .pth files of the packages add comes with them.
_PATH_FILE = (
    "import site, sys; n = len(sys.path); site.addsitedir({place!r}); at = sys.path.index({before!r}); "
    "sys.path[:] = sys.path[:at] + sys.path[n:] + sys.path[at:n]\n"
)


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One environment in a store; also the content of its ``environment.json``."""

    version: Literal[1] = 1
    measurement: Hex32
    """`measure_tree` of its layer."""
    packages: tuple[LockedPackage, ...]
    image: Hex32
    size: int
    """Bytes of all files together."""
    files: int
    seconds: float
    """That installing took."""


class Environments:
    """Those of one machine, for one worker. Its methods may be called from several threads."""

    def __init__(
        self,
        sandbox: Sandbox,
        store: Path | None = None,
        *,
        source: Callable[[], Source] = configured_source,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """
        Args:
            store: beside the images, unless given.
            source: where packages come from; asked when something is to be fetched.
        """
        self._sandbox = sandbox
        self._source = source
        self._store = store or default_store() / "environments"
        self._most_bytes = most_bytes
        self._verified: set[str] = set()

    def resolve(
        self, requirements: str, image: OpenImage, limits: Limits, cancelled: threading.Event
    ) -> tuple[LockedPackage, ...]:
        """See `Installer.resolve`."""
        return self._installer().resolve(requirements, image.root, limits, cancelled)

    @contextlib.contextmanager
    def held(
        self, lock: Sequence[LockedPackage], image: OpenImage, limits: Limits, cancelled: threading.Event
    ) -> Iterator[tuple[Made, Path]]:
        """The environment and its layer, installed if it isn't there; it stays for as long as the block lasts.

        Raises:
            EnclaveError: it can't be installed; the message is the installer's own.
            SandboxUnavailable: no container could be had.
        """
        digest = environment_digest(lock, image.measurement)
        place = self._store / digest
        self._store.mkdir(parents=True, exist_ok=True)
        guard = os.open(self._store / f"{digest}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            made = self._there(digest, place, guard, cancelled)
            while made is None:
                _hold(guard, fcntl.LOCK_EX, cancelled)
                if _read(place) is None or digest not in self._verified:
                    self._make(lock, place, image, limits, cancelled)
                    self._verified.add(digest)
                made = self._there(digest, place, guard, cancelled)
            os.utime(place)
            yield made, place / "layer"
        finally:
            os.close(guard)

    def _there(self, digest: str, place: Path, guard: int, cancelled: threading.Event) -> Made | None:
        """The environment, if it is there and sound; a share of its lock is held then."""
        _hold(guard, fcntl.LOCK_SH, cancelled)
        made = _read(place)
        if made is None:
            return None
        if digest not in self._verified:
            try:
                sound = measure_tree(place / "layer") == made.measurement
            except (OSError, ValueError):
                sound = False
            if not sound:
                return None
            self._verified.add(digest)
        return made

    def _make(
        self,
        lock: Sequence[LockedPackage],
        place: Path,
        image: OpenImage,
        limits: Limits,
        cancelled: threading.Event,
    ) -> None:
        """The lock is held alone."""
        self._make_room(0)
        for stale in self._store.glob(f".new-{place.name}.*"):
            shutil.rmtree(stale, ignore_errors=True)  # of a worker that was killed: the lock is ours
        work = Path(tempfile.mkdtemp(prefix=f".new-{place.name}.", dir=self._store))
        try:
            layer = work / "ready/layer"
            layer.mkdir(parents=True)
            site_packages = next(iter(sorted(image.root.glob(_SITE_PACKAGES))), None)
            if site_packages is None:
                raise EnclaveError(f"The image {image.name!r} has no Python that an environment could be for.")
            began = time.monotonic()
            self._installer().install(lock, layer / PLACE.lstrip("/"), image.root, limits, cancelled)
            before = site_packages.relative_to(image.root)
            (layer / before).mkdir(parents=True)
            text = _PATH_FILE.format(place=PLACE, before=f"/{before}")
            (layer / before / "cloister_environment.pth").write_text(text)
            files = [path for path in layer.rglob("*") if path.is_file()]
            for path in (layer, *layer.rglob("*")):
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o111 else 0o644)
            made = Made(
                measurement=measure_tree(layer),
                packages=tuple(lock),
                image=image.measurement,
                size=sum(path.stat().st_size for path in files),
                files=len(files),
                seconds=round(time.monotonic() - began, 3),
            )
            (work / "ready/environment.json").write_bytes(msgspec.json.encode(made))
            if place.exists():
                place.rename(work / "damaged")
            self._make_room(made.size)
            (work / "ready").rename(place)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise EnclaveError(
                "The worker's disk has no room for these packages. Ask the operator of this installation for more."
            ) from None
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _make_room(self, size: int) -> None:
        """Removes what was used least lately, and nobody uses, until there is room for so much, and some to spare."""
        places = sorted(self._store.glob("*/environment.json"), key=lambda file: file.parent.stat().st_mtime)
        sizes = {file.parent: made.size for file in places if (made := _read(file.parent))}
        lacking = _SPARE_BYTES - shutil.disk_usage(self._store).free
        too_much = max(sum(sizes.values()) + size - self._most_bytes, lacking)
        for place, its_size in sizes.items():
            if too_much <= 0:
                return
            with contextlib.suppress(OSError):
                guard = os.open(place.with_name(f"{place.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    (place / "environment.json").unlink()
                    shutil.rmtree(place)
                    too_much -= its_size
                finally:
                    os.close(guard)

    def _installer(self) -> Installer:
        return Installer(self._sandbox, self._source(), self._tools())

    def _tools(self) -> Path:
        program = Path(find_uv())
        with program.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        place = self._store / "tools" / digest
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
            target = work / INSTALLER.lstrip("/")
            target.parent.mkdir(parents=True)
            shutil.copyfile(program, target)
            for path in (target, *target.parents[:4]):
                path.chmod(0o755)
            try:
                work.rename(place)
            except OSError:
                shutil.rmtree(work)  # another worker was quicker
        return place


def environment_digest(lock: Sequence[LockedPackage], image: str) -> str:
    """What an environment goes by: 64 hexadecimal digits."""
    return sha256(pack("cloister/environment/v1", bytes.fromhex(image), canonical(tuple(lock)))).hex()


def report(made: Made, requirements: Sequence[str]) -> dict[str, Any]:
    """What was installed, in the form of pip's installation report, version 1, as far as it applies."""
    requested = {canonicalize_name(Requirement(each).name) for each in requirements}
    return {
        "version": "1",
        "install": [
            {
                "metadata": {"name": package.name, "version": package.version},
                "download_info": {"archive_info": {"hashes": {"sha256": package.sha256[0]}}},
                "hashes": list(package.sha256),
                "is_direct": False,
                "requested": package.name in requested,
            }
            for package in made.packages
        ],
        "image": made.image,
        "measurement": made.measurement,
        "size": made.size,
        "files": made.files,
        "seconds": made.seconds,
    }


def _hold(guard: int, how: int, cancelled: threading.Event) -> None:
    """Takes a lock, which another worker may have for as long as installing takes. The kernel tells nobody who waits
    for something else too, so it is asked now and then.

    Raises:
        EnclaveError: the task is not wanted any more.
    """
    while True:
        try:
            return fcntl.flock(guard, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if cancelled.wait(_TICK_SECONDS):
                raise EnclaveError("The computation was withdrawn before it ended.") from None


def _read(place: Path) -> Made | None:
    try:
        return msgspec.json.decode((place / "environment.json").read_bytes(), type=Made)
    except (OSError, msgspec.DecodeError):
        return None
