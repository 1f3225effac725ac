"""Keys of uploads that aren't finished: in the vault from before the first byte, so that they outlive their program.

The vault has the key as an item of a random name; a file in the user's state folder says which file it is for. Neither
tells what the file holds, and the key is never on this machine's disk.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Literal

from cloister.errors import ApiError, VerificationError
from cloister.formats.encoding import Hex32, Record, canonical, decode, pack, sha256
from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.resume import KEPT_SECONDS
from cloister.sdk.vault import Vault

_FOLDER = "pending"


class _Pending(Record, frozen=True, kw_only=True):
    """What this machine remembers of one unfinished upload."""

    version: Literal[1] = 1
    vault: Hex32
    """The vault that has the key."""
    item: Hex32
    """By which id."""


class PendingKeys:
    """The keys of one user's unfinished uploads from this machine."""

    def __init__(self, vault: Vault, folder: StateFolder, hub: str, email: str) -> None:
        self._vault = vault
        self._folder = folder
        self._prefix = sha256(pack("cloister/pending-file/v1", hub.encode(), email.encode())).hex()

    @contextlib.contextmanager
    def of(self, file: os.stat_result) -> Iterator[Key]:
        """The key that a file is to be uploaded with: the one of an upload that was broken off, else a fresh one.

        It is given up when the block ends without an error. Where this machine can't remember, it is always fresh.

        Raises:
            ApiError, VerificationError: as the vault.
        """
        name = f"{_FOLDER}/{self._prefix}-{file.st_dev:x}-{file.st_ino:x}.json"
        with contextlib.suppress(OSError):
            self._sweep()
        known = self._recall(name)
        kept = self._vault.read(f"key/{known.item}") if known is not None else None
        if kept is not None:
            key = Key(kept.value)
        else:
            key, known = Key(), _Pending(vault=self._vault.id, item=os.urandom(32).hex())
            with contextlib.suppress(OSError):
                # Noted first: a note without a key does no harm, a key that nobody knows of would stay for good.
                self._folder.write(name, canonical(known))
                self._vault.put(f"key/{known.item}", key.material)
        yield key
        assert known is not None
        self._give_up(name, known)

    def _recall(self, name: str) -> _Pending | None:
        try:
            stored = self._folder.read(name)
            known = None if stored is None else decode(stored, _Pending, what="a note of an unfinished upload")
        except (OSError, VerificationError):
            return None
        return known if known is not None and known.vault == self._vault.id else None

    def _give_up(self, name: str, known: _Pending) -> None:
        # The dataset is complete: what can't be tidied up now is when its time has come.
        with contextlib.suppress(OSError, ApiError):
            item = self._vault.read(f"key/{known.item}")
            if item is not None:
                self._vault.remove(item)
            (self._folder.path / name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Gives up what nobody came back for."""
        for file in (self._folder.path / _FOLDER).glob(f"{self._prefix}-*.json"):
            if file.stat().st_mtime < time.time() - KEPT_SECONDS:
                name = f"{_FOLDER}/{file.name}"
                known = self._recall(name)
                if known is None:
                    file.unlink(missing_ok=True)
                else:
                    self._give_up(name, known)
