"""Rooms as files: `room.yaml` and what it names, in one folder."""

from __future__ import annotations

from cloister.sdk.files.difference import Change, changes, readable
from cloister.sdk.files.reading import ROOM_FILE, RoomFolder, read_folder
from cloister.sdk.files.writing import write_folder

__all__ = ["ROOM_FILE", "Change", "RoomFolder", "changes", "read_folder", "readable", "write_folder"]
