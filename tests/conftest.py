"""Shared by all tests: nothing but how they run."""

from __future__ import annotations

from hypothesis import settings

# Other tests keep the processors busy meanwhile: how long one example takes says nothing.
settings.register_profile("cloister", deadline=None, print_blob=True)
settings.load_profile("cloister")
