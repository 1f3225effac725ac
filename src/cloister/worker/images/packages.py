"""The Python packages of an image: locked wheels, and wheels built here of what exists as source only.

Sources are fetched by their digest before anything of them is run. They are built in a Debian tree that has the
compilers, without a network, at paths and times that are the same every time, so that the same wheels come out.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cloister.errors import ImageUnavailable
from cloister.worker.images.index import fetch
from cloister.worker.images.programs import Progress, certificates, find_uv, remove, run
from cloister.worker.images.recipe import Source

_SITE_PACKAGES = "usr/local/lib/python{version}/dist-packages"
_LIKE_THE_LAST_TIME = {
    "HOME": "/tmp",  # noqa: S108 - of the tree
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "SOURCE_DATE_EPOCH": "315532800",  # the first moment that a zip file can name
    "ARFLAGS": "rcD",
    "CFLAGS": "-g0",
    "CXXFLAGS": "-g0",
}


def install(lock: Path, version: str, tree: Path, *, wheels: Sequence[Path] = ()) -> None:
    """Put the packages of a hashed lock, and wheels that were built here, where the tree's Python finds them.

    Args:
        version: of the tree's Python, as ``3.11``.
    """
    if not (tree / f"usr/bin/python{version}").exists():
        raise ImageUnavailable(
            f"the recipe's lock is for Python {version}, which its Debian suite does not have; change either"
        )
    target = tree / _SITE_PACKAGES.format(version=version)
    target.mkdir(parents=True, exist_ok=True)
    command = [
        find_uv(), "pip", "install", "--quiet", "--no-progress", "--no-deps", "--only-binary", ":all:",
        "--link-mode", "copy", "--target", str(target),
        "--python-version", version, "--python-platform", f"{platform.machine()}-manylinux_2_28",
    ]  # fmt: skip
    run([*command, "--require-hashes", "--requirements", str(lock)], environment=certificates())
    if wheels:
        run([*command, "--offline", *map(str, wheels)])
    # Commands name this machine's interpreter in their first line, and uv's notes name its cache and our folders.
    notes = [*target.glob("*.dist-info/uv_cache.json"), *target.glob("*.dist-info/direct_url.json")]
    _remove_recorded([target / "bin", target / ".lock", *notes], target)


def add_modules(names: Sequence[str], folder: Path, version: str, tree: Path) -> None:
    """Put our own modules, which lie in ``folder``, beside the installed packages."""
    for name in names:
        target = tree / _SITE_PACKAGES.format(version=version) / name
        shutil.copytree(folder / name, target, ignore=shutil.ignore_patterns("__pycache__"))


def change(patches: Sequence[Path], version: str, tree: Path) -> None:
    """Apply patches among the installed packages."""
    for patch in patches:
        _patch(patch, tree / _SITE_PACKAGES.format(version=version))


def _patch(patch: Path, folder: Path) -> None:
    run(["patch", "--strip=1", "--silent", "--no-backup-if-mismatch", f"--directory={folder}", f"--input={patch}"])


def leave_out(patterns: Sequence[str], version: str, tree: Path) -> None:
    """Remove what an image can do without, by patterns relative to the folder of installed packages."""
    target = tree / _SITE_PACKAGES.format(version=version)
    _remove_recorded([path for pattern in patterns for path in target.glob(pattern)], target)


def _remove_recorded(paths: Sequence[Path], target: Path) -> None:
    for path in paths:
        remove(path)
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if (target / line.rsplit(",", 2)[0]).exists()))


def build_wheels(packages: Mapping[str, Source], patches: Path, builder: Path, *, progress: Progress) -> Path:
    """A folder of wheels of packages that exist as source only.

    Args:
        patches: the folder where the recipe's patches lie.
        builder: a tree with all that building takes; the wheels lie in it.
    """
    work = builder / "build"
    (work / "wheels").mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        built = [pool.submit(_build, name, source, patches, builder, progress) for name, source in packages.items()]
        for each in built:
            each.result()
    return work / "wheels"


def _build(name: str, source: Source, patches: Path, builder: Path, progress: Progress) -> None:
    archive = fetch(name, source.version, source.sha256, into=builder / "build")
    progress(f"building {name} {source.version} from source")
    folder = builder / "build" / name
    folder.mkdir()
    run(["tar", "--extract", "--no-same-owner", f"--file={archive}", f"--directory={folder}"])
    (inner,) = folder.iterdir()  # one folder, as every source archive has it, whatever it is called
    if source.patch:
        _patch(patches / source.patch, inner)
    command = [
        "chroot", str(builder), "/usr/bin/python3", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
        "--no-build-isolation", "--no-cache-dir", "--wheel-dir", "/build/wheels", f"/build/{name}/{inner.name}",
    ]  # fmt: skip
    flags = ["--net"] if os.geteuid() == 0 else ["--net", "--map-root-user"]
    run(["unshare", *flags, *command], environment=_LIKE_THE_LAST_TIME)
