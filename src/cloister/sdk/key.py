"""The key that a dataset is encrypted with."""

from __future__ import annotations

import hmac
import os

from cloister.formats.dataset import KEY_SIZE


class Key:
    """32 bytes that decrypt a dataset. They stay with whoever made them and inside the enclave."""

    __slots__ = ("_material",)

    def __init__(self, material: bytes | None = None) -> None:
        """A fresh random key, or the one with the given 32 bytes.

        Raises:
            ValueError: ``material`` is not 32 bytes.
        """
        if material is None:
            material = os.urandom(KEY_SIZE)
        if not isinstance(material, bytes | bytearray) or len(material) != KEY_SIZE:
            raise ValueError(f"A key is {KEY_SIZE} bytes. Call Key() for a fresh one.")
        self._material = bytes(material)

    @property
    def material(self) -> bytes:
        """The 32 bytes. Keep them as safe as the data."""
        return self._material

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return hmac.compare_digest(self._material, other._material)

    def __hash__(self) -> int:
        return hash(self._material)

    def __repr__(self) -> str:
        return "Key(...)"
