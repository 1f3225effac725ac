"""What stands in the documents between fences, by what it says it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<name>[^\n]+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block. ``name`` is what follows the language, a file's name or a word about its use."""

    language: str
    name: str
    text: str


def blocks(document: str) -> list[Block]:
    """All blocks of a document (its path below the checkout), in order."""
    found = _FENCE.finditer((ROOT / document).read_text())
    return [Block(match["language"], match["name"] or "", match["text"]) for match in found]


def documents() -> list[Path]:
    """All documents of the checkout."""
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
