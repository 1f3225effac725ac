"""Recipes of worker images: small folders that say what goes in, and nothing about this machine.

``images/<name>/recipe.toml`` (see the comments there), and the hashed locks and patches that it names. The digest of
all of them names the recipe's version: a changed recipe is another image, and the old one stays.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cloister.errors import ImageUnavailable

BUILDER = 1
"""Raised when the builder changes what it makes of the same recipe."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_DEBIAN_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_PYTHON_PACKAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MODULE = re.compile(r"[a-z][a-z_]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Debian(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The distribution's part of an image."""

    suite: str
    packages: list[str]
    leave_out: list[str] = []
    """Patterns relative to the root: what packages bring that no script uses."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Python package that exists as source only, or has to be changed to live with the others."""

    version: str
    sha256: str
    """Of its source archive, in hexadecimal."""
    patch: str | None = None
    """A file beside the recipe, for ``patch -p1`` in the unpacked source."""


class Sources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is built from source, and what building it takes; nothing of the latter ends up in the image."""

    packages: dict[str, Source]
    debian: list[str]
    lock: str
    """Of the Python packages that build back ends need."""


class Python(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Python packages of an image; ``version`` must be that of the suite's ``python3``."""

    version: str
    lock: str
    leave_out: list[str] = []
    patches: list[str] = []
    """Files beside the recipe, for ``patch -p1`` among the installed packages."""
    modules: list[str] = []
    """Our own, of the folder ``modules`` beside the recipes."""
    sources: Sources | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    summary: str
    debian: Debian
    python: Python | None = None


@dataclass(frozen=True)
class Recipe:
    """What one image is made of."""

    name: str
    summary: str
    digest: str
    """SHA-256 (hexadecimal) over recipe, locks, patches, builder version and processor architecture."""
    debian: Debian
    python: Python | None
    place: Path
    """The folder where what it names lies; modules and keys lie beside it."""
    keys: Path | None
    """The keys that sign the suite, where they lie beside the recipes: ``keys/<suite>.asc``."""


def recipes_folder() -> Path:
    """Where recipes lie: ``CLOISTER_RECIPES``, else the checkout's ``images/``, else the installed copy."""
    if chosen := os.environ.get("CLOISTER_RECIPES"):
        return Path(chosen)
    package = Path(__file__).resolve().parents[2]
    checkout = package.parents[1] / "images"
    return checkout if checkout.is_dir() else package / "images"


def recipe_names(folder: Path | None = None) -> list[str]:
    """The names of all recipes, sorted."""
    return sorted(path.parent.name for path in (folder or recipes_folder()).glob("*/recipe.toml"))


def load_recipe(name: str, folder: Path | None = None) -> Recipe:
    """Read and check the recipe ``name``; raises `ImageUnavailable`."""
    folder = folder or recipes_folder()
    place = folder / name
    if not _NAME.fullmatch(name) or not (place / "recipe.toml").is_file():
        known = ", ".join(recipe_names(folder)) or "none"
        raise ImageUnavailable(f"there is no recipe for an image named {name!r}; there are: {known}")
    text = (place / "recipe.toml").read_bytes()
    try:
        file = msgspec.toml.decode(text, type=_File)
    except msgspec.DecodeError as error:
        raise ImageUnavailable(f"recipe {name}: {error}") from error
    if file.format != 1:
        raise ImageUnavailable(f"recipe {name}: format {file.format} is not known to this version; update Cloister")
    sources = file.python.sources if file.python else None
    patterns = [*file.debian.leave_out, *(file.python.leave_out if file.python else ())]
    if any(pattern.startswith("/") or ".." in pattern.split("/") for pattern in patterns):
        raise ImageUnavailable(f"recipe {name}: a pattern to leave out must stay in its folder")
    for item in [file.debian.suite, *file.debian.packages, *(sources.debian if sources else ())]:
        if not _DEBIAN_PACKAGE.fullmatch(item):
            raise ImageUnavailable(f"recipe {name}: {item!r} is not a name of a Debian package or suite")
    parts = [b"cloister-recipe-v1", str(BUILDER).encode(), platform.machine().encode(), name.encode(), text]
    parts += [path.read_bytes() for path in _files(name, place, file.python)] or [b""]
    for path in _modules(name, folder, file.python):
        parts += [str(path.relative_to(folder)).encode(), path.read_bytes()]
    keys = folder / "keys" / f"{file.debian.suite}.asc"
    return Recipe(name, file.summary, _digest(parts), file.debian, file.python, place, keys if keys.exists() else None)


def source_digest(recipe: Recipe) -> str:
    """SHA-256 (hexadecimal) of all that decides what its packages from source are built into."""
    assert recipe.python
    assert recipe.python.sources
    sources = recipe.python.sources
    parts = [b"cloister-wheels-v1", str(BUILDER).encode(), platform.machine().encode()]
    parts += [msgspec.json.encode([recipe.python.version, recipe.debian.suite, sources], order="sorted")]
    patches = sorted(source.patch for source in sources.packages.values() if source.patch)
    return _digest([*parts, *((recipe.place / name).read_bytes() for name in [sources.lock, *patches])])


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def _files(name: str, place: Path, python: Python | None) -> list[Path]:
    """The files that a recipe names, after a check of everything in its Python part."""
    if python is None:
        return []
    named = [python.lock, *python.patches]
    if python.sources is not None:
        named.append(python.sources.lock)
        for package, source in sorted(python.sources.packages.items()):
            if not _PYTHON_PACKAGE.fullmatch(package) or not _SHA256.fullmatch(source.sha256):
                raise ImageUnavailable(f"recipe {name}: the source {package!r} needs a plain name and a SHA-256")
            named += [source.patch] if source.patch else []
    files = [place / each for each in named]
    for file in files:
        if file.parent != place or not file.is_file():
            raise ImageUnavailable(f"recipe {name}: {file.name!r} must be a file beside the recipe")
    return files


def _modules(name: str, folder: Path, python: Python | None) -> list[Path]:
    """The files of the modules that a recipe names."""
    files: list[Path] = []
    for module in python.modules if python else ():
        found = sorted((folder / "modules" / module).rglob("*.py"))
        if not _MODULE.fullmatch(module) or not found:
            raise ImageUnavailable(f"recipe {name}: there is no module {module!r} in {folder / 'modules'}")
        files += found
    return files
