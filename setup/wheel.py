"""No wheel is built without the web pages by mistake, nor with those of older sources."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WITHOUT = "CLOISTER_WITHOUT_PAGES"
_SOURCES = ("src", "public", "scripts", "*.html", "*.json", "vite.config.ts")
"""As the Makefile has them, but for folders: unpacking makes those anew."""


class Pages(BuildHookInterface):  # type: ignore[type-arg]
    """Looks at ui/dist before a wheel, or a distribution of sources, is built."""

    PLUGIN_NAME = "pages"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Ends the build, with a sentence, where the pages are missing or older than their sources."""
        if version == "editable" or os.environ.get(WITHOUT) == "1":
            return
        ui = Path(self.root) / "ui"
        document = ui / "dist" / "index.html"
        if not document.is_file():
            self.app.abort(f"There are no web pages in ui/dist. Run `make pages` first, or set {WITHOUT}=1.")
        found = [path for pattern in _SOURCES for path in ui.glob(pattern)]
        times = [each.stat().st_mtime for path in found for each in (path, *path.rglob("*")) if each.is_file()]
        if max(times, default=0) > document.stat().st_mtime:
            self.app.abort(
                f"The web pages in ui/dist are older than their sources. Run `make pages` first, or set {WITHOUT}=1."
            )
