"""Kinds of values that several commands take."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder; made where it is missing."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file that is there."""
