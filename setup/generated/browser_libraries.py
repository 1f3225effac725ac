"""Says which libraries the worker images have, for the browser: from their recipes and locks."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "ui" / "src" / "screens" / "draft" / "computations" / "libraries.json"
IMAGES = ("python", "python-ml", "r", "synthetic")
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_DEBIAN_R = "r-cran-"
_R_NAMES = {
    each.lower(): each for each in ("AER", "Hmisc", "MASS", "Matrix", "RProtoBuf", "gridExtra", "pROC", "randomForest")
}
"""Debian's names of packages are in lower case, R's are not. A test asks R itself (`tests/e2e/test_snippets.py`)."""


def libraries(image: str) -> dict[str, Any]:
    """What is in an image: its language, and each library with its version; null where Debian's release decides, or
    Cloister's own."""
    recipe = tomllib.loads((ROOT / "images" / image / "recipe.toml").read_text())
    packages: dict[str, str | None]
    if "python" in recipe:
        lock = (ROOT / "images" / image / recipe["python"]["lock"]).read_text()
        sources = recipe["python"].get("sources", {}).get("packages", {})
        packages = dict(_LOCKED.findall(lock)) | {name: each["version"] for name, each in sources.items()}
        # Cloister's own programs are no libraries for scripts.
        packages |= {name: None for name in recipe["python"]["modules"] if name.endswith("_util")}
        language = f"Python {recipe['python']['version']}"
    else:
        debian = (name.removeprefix(_DEBIAN_R) for name in recipe["debian"]["packages"] if name.startswith(_DEBIAN_R))
        packages = {_R_NAMES.get(name, name): None for name in debian}
        language = f"R of Debian {recipe['debian']['suite']}"
    ordered = dict(sorted(packages.items(), key=lambda each: each[0].lower()))
    return {"language": language, "summary": recipe["summary"], "packages": ordered}


def text() -> str:
    """The file, as it should be."""
    return json.dumps({image: libraries(image) for image in IMAGES}, indent=2) + "\n"
