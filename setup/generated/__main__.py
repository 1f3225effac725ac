"""Writes the files: `python -m setup.generated`, a part of `make generated`."""

from __future__ import annotations

from setup.generated import files

for file, text in files():
    file.write_text(text)
