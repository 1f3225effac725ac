"""See `cloister_util.error`."""

from cloister_util.error import SafeError, catch_safe_error

__all__ = ["SafeError", "catch_safe_error"]
