"""Fixtures: a sandbox on this machine, with the real image."""

from tests.containers import image_root, machine

__all__ = ["image_root", "machine"]
