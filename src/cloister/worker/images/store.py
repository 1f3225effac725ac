"""The images on this machine: built from recipes, kept by their measurement, opened read-only.

A store is a folder:

    measurements/<measurement>/image.json     what it is
    measurements/<measurement>/rootfs.erofs   its tree, where file systems may be mounted,
    measurements/<measurement>/rootfs/        or unpacked where not
    recipes/<name>.<digest of the recipe>     link to the image that was built from that version
    wheels/<digest>/                          packages that were built from source, for the next build

Images are never changed in place: a build happens in a folder of its own and ends in one rename. What was
built from older recipes stays until somebody deletes it, because published rooms name it.

`open_image` compares the tree's measurement with the recorded one before the first use after each boot (and
again when the file was replaced). Later changes by the machine's administrator are not noticed: software mode
protects nothing from them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from cloister.errors import ImageUnavailable, VerificationError
from cloister.worker.images.build import build_tree, pack_erofs
from cloister.worker.images.measure import measure_tree
from cloister.worker.images.mount import Mount, can_mount, holding
from cloister.worker.images.programs import Progress
from cloister.worker.images.recipe import Recipe, load_recipe, recipe_names

_HEX = frozenset("0123456789abcdef")


class Image(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One image in a store; also the content of its ``image.json``."""

    version: Literal[1] = 1
    name: str
    measurement: str
    """`measure_tree` of its root: 64 hexadecimal digits."""
    recipe: str
    """Digest of the recipe that it was first built from."""
    format: Literal["erofs", "directory"]
    size: int
    """Bytes on disk."""
    built_at: str
    """RFC 3339."""


class OpenImage:
    """A root file system, there until `close`; also a context manager."""

    def __init__(self, image: Image, root: Path, mount: Mount | None) -> None:
        self.name = image.name
        self.measurement = image.measurement
        self.root = root
        """Its root folder. Where it is mounted: read-only, nosuid, nodev."""
        self._mount = mount

    def close(self) -> None:
        """Let go of it; the last user on the machine unmounts it. Closing twice does nothing."""
        if self._mount:
            self._mount.release()
            self._mount = None

    def __enter__(self) -> OpenImage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def default_store() -> Path:
    """``CLOISTER_IMAGES``, else /var/lib/cloister/images for root and ~/.local/share/cloister/images for others."""
    if chosen := os.environ.get("CLOISTER_IMAGES"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/cloister/images")
    return Path.home() / ".local/share/cloister/images"


def build_image(
    name: str,
    *,
    progress: Progress,
    rebuild: bool = False,
    store: Path | None = None,
    recipes: Path | None = None,
) -> Image:
    """The image of the recipe ``name`` as it stands now, built if it isn't there.

    Two builds of the same at once: the second waits and gets the first one's. ``rebuild`` builds in any case, which
    picks up newer Debian packages. ``CLOISTER_DEBIAN_MIRROR`` names another source of those. Raises
    `ImageUnavailable`.
    """
    store = store or default_store()
    recipe = load_recipe(name, recipes)
    if not rebuild and (image := _built(store, recipe)):
        return image
    try:
        store.mkdir(parents=True, exist_ok=True)
        prefix = f".build-{name}."
        with holding(store / f"build-{name}.lock", on_wait=lambda: progress("waiting for another build to end")):
            if not rebuild and (image := _built(store, recipe)):
                return image
            for stale in store.glob(f"{prefix}*/"):
                shutil.rmtree(stale, ignore_errors=True)  # of a build that was killed: the lock is ours
            work = Path(tempfile.mkdtemp(prefix=prefix, dir=store))
            try:
                tree = work / "tree"
                tree.mkdir()
                build_tree(
                    recipe, tree, store / "wheels", mirror=os.environ.get("CLOISTER_DEBIAN_MIRROR"), progress=progress
                )
                progress("measuring and writing it")
                return add_tree(tree, recipe, store=store)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise ImageUnavailable(f"the image {name} could not be built in {store}: {error}") from error


def open_image(name_or_measurement: str, *, store: Path | None = None, recipes: Path | None = None) -> OpenImage:
    """Open an image by its name (what its recipe, as it stands now, was built into) or by its measurement.

    Raises `ImageUnavailable` where it isn't there or can't be mounted, and `VerificationError` where its
    tree is not the one that was measured.
    """
    store = store or default_store()
    image = find_image(name_or_measurement, store=store, recipes=recipes)
    place = store / "measurements" / image.measurement
    if image.format == "directory":
        root = place / "rootfs"
        with holding(place / "verify.lock"):
            _verify(image, root, note=place / "verified")
        return OpenImage(image, root, None)
    run = _runtime_folder(store)
    with Mount.of(place / "rootfs.erofs", run / image.measurement) as mount:
        _verify(image, mount.root, note=run / f"{image.measurement}.verified", file=place / "rootfs.erofs")
        return OpenImage(image, mount.root, mount.keep())


def find_image(name_or_measurement: str, *, store: Path | None = None, recipes: Path | None = None) -> Image:
    """The image of that name or measurement, without opening it; raises `ImageUnavailable`."""
    store = store or default_store()
    if len(name_or_measurement) == 64 and set(name_or_measurement) <= _HEX:
        image = _read(store / "measurements" / name_or_measurement)
        if image is None:
            raise ImageUnavailable(f"no image with the measurement {name_or_measurement} is in {store}")
        return image
    recipe = load_recipe(name_or_measurement, recipes)
    image = _built(store, recipe)
    if image is None:
        raise ImageUnavailable(
            f"the image {recipe.name} is not built in {store}; build it: cloister image build {recipe.name}"
        )
    return image


def list_images(*, store: Path | None = None) -> list[Image]:
    """All images in the store, by name, the newest first."""
    store = store or default_store()
    found = [image for place in store.glob("measurements/*") if (image := _read(place))]
    return sorted(sorted(found, key=lambda image: image.built_at, reverse=True), key=lambda image: image.name)


def current_images(*, store: Path | None = None, recipes: Path | None = None) -> dict[str, str]:
    """The measurement of each recipe's image as the recipes stand now: ``{name: measurement}``."""
    store = store or default_store()
    built = ((name, _built(store, load_recipe(name, recipes))) for name in recipe_names(recipes))
    return {name: image.measurement for name, image in built if image}


def remove_image(measurement: str, *, store: Path | None = None) -> None:
    """Delete an image for good. Workers that have it open keep it until they end; rooms that name it have none then.

    Raises `ImageUnavailable` where there is none of that measurement.
    """
    store = store or default_store()
    if len(measurement) != 64 or not set(measurement) <= _HEX:
        raise ImageUnavailable(f"{measurement[:80]!r} is not a measurement; `cloister image list` shows them")
    image = find_image(measurement, store=store)
    with holding(store / f"build-{image.name}.lock"):
        doomed = Path(tempfile.mkdtemp(prefix=f".build-{image.name}.", dir=store))
        (store / "measurements" / measurement).rename(doomed / "image")
        for link in store.glob("recipes/*"):
            if not link.exists():  # it led to this one
                link.unlink()
        shutil.rmtree(doomed)


def _built(store: Path, recipe: Recipe) -> Image | None:
    return _read(_link(store, recipe))


def _link(store: Path, recipe: Recipe) -> Path:
    return store / "recipes" / f"{recipe.name}.{recipe.digest}"


def _read(place: Path) -> Image | None:
    try:
        return msgspec.json.decode((place / "image.json").read_bytes(), type=Image)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ImageUnavailable(
            f"{place / 'image.json'} can't be read: {error}; delete {place} and build again"
        ) from error


def add_tree(tree: Path, recipe: Recipe, *, store: Path) -> Image:
    """Take the folder ``tree``, which lies in ``store`` too and is used up, into the store as ``recipe``'s image.

    As an erofs file where this process may mount one, else unpacked.
    """
    measurement = measure_tree(tree)
    work = Path(tempfile.mkdtemp(prefix=f".build-{recipe.name}.", dir=store))
    try:
        ready = work / "ready"
        ready.mkdir()
        file = ready / "rootfs.erofs"
        pack_erofs(tree, file, measurement=measurement)
        format_: Literal["erofs", "directory"] = "erofs"
        size = file.stat().st_size
        if can_mount(file, work / "trial"):
            shutil.rmtree(tree)
        else:
            format_ = "directory"
            file.unlink()
            tree.rename(ready / "rootfs")
            size = sum(path.lstat().st_size for path in (ready / "rootfs").rglob("*"))
        image = Image(
            name=recipe.name,
            measurement=measurement,
            recipe=recipe.digest,
            format=format_,
            size=size,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        (ready / "image.json").write_bytes(msgspec.json.encode(image))
        place = store / "measurements" / measurement
        place.parent.mkdir(exist_ok=True)
        if place.exists():  # the same tree again, or a damaged one: users of the old file keep it open
            place.rename(work / "replaced")
        ready.rename(place)
        link = _link(store, recipe)
        link.parent.mkdir(exist_ok=True)
        (work / "link").symlink_to(Path("..") / "measurements" / measurement)
        (work / "link").rename(link)
        return image
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _runtime_folder(store: Path) -> Path:
    """Where images are mounted and what was verified is noted: gone, or at least void, after a reboot."""
    if os.geteuid() == 0:
        folder = Path("/run/cloister/images")
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        folder = Path(runtime) / "cloister/images"
    else:
        folder = store / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _verify(image: Image, root: Path, *, note: Path, file: Path | None = None) -> None:
    """Measure ``root`` unless ``note`` says that it was done since the last boot, for this very ``file``."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    status = file.stat() if file else None
    proof = repr(
        (boot, status and (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    )
    with suppress(FileNotFoundError):
        if note.read_text() == proof:
            return
    found = measure_tree(root)
    if found != image.measurement:
        raise VerificationError(
            f"the image {image.name} in {file or root} was changed: it measures {found}, not {image.measurement}. "
            f"Nothing was run in it. Build it again: cloister image build --rebuild {image.name}"
        )
    note.write_text(proof)
