"""The programs are modules of worker images: these tests import them from where they lie."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "images/modules"))
