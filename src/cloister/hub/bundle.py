"""The web pages as they were built: read once, whole, so that what is served is what the digest is of.

Files are found in a table made then, never on the disk by what was asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cloister.errors import CloisterError

_PACKAGE = Path(__file__).parents[1]
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_OTHER = "application/octet-stream"
_TEXT = re.compile(r"text/|image/svg|application/(json|wasm|manifest)")
_NOT_SERVED = (".map",)
"""What a build for developers has besides."""
_HASHED = re.compile(r"assets/.*-[A-Za-z0-9_-]{8,}\.[a-z0-9.]+")
_WORTH_BYTES = 1024
INDEX = "index.html"


@dataclass(frozen=True)
class Asset:
    """One file."""

    content: bytes = field(repr=False)
    media_type: str
    hashed: bool
    """Whether its name changes when its content does."""
    brotli: bytes | None = field(default=None, repr=False)
    """Its content compressed, where the build has done that: the file beside it whose name ends in .br."""

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def gzip(self) -> bytes | None:
        """Its content compressed, where that is worth anything; when it is first asked for."""
        if not _TEXT.match(self.media_type) or len(self.content) < _WORTH_BYTES:
            return None
        return gzip.compress(self.content, 9, mtime=0)


@dataclass(frozen=True)
class Bundle:
    """All files, by their paths from the folder on."""

    assets: dict[str, Asset]
    manifest: str
    """A line for each file in the folder, as sha256sum(1) writes and reads them."""

    @property
    def digest(self) -> str:
        """One SHA-256, in hexadecimal, over the manifest."""
        return hashlib.sha256(self.manifest.encode()).hexdigest()


def installed() -> Path | None:
    """The folder of the pages that came along; in a checkout, of those that were built there."""
    for folder in (_PACKAGE / "ui", _PACKAGE.parents[1] / "ui" / "dist"):
        if (folder / INDEX).is_file():
            return folder
    return None


def load(folder: Path) -> Bundle:
    """The bundle in a folder. Links are no part of it. `CloisterError` where there is none."""
    try:
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
    except OSError as error:
        raise CloisterError(f"The pages in {folder} can't be read: {error.strerror}.") from None
    if INDEX not in files:
        raise CloisterError(f"There are no pages in {folder}: {INDEX} is missing. Build them, or name another folder.")
    assets = {
        name: Asset(
            content=content,
            media_type=_TYPES.get(Path(name).suffix.lower(), _OTHER),
            hashed=_HASHED.fullmatch(name) is not None,
            brotli=files.get(f"{name}.br"),
        )
        for name, content in files.items()
        if not name.endswith(_NOT_SERVED) and not (name.endswith((".br", ".gz")) and name[:-3] in files)
    }
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())]
    return Bundle(assets, "".join(lines))
