"""Token buckets: so many at once, and so many over time. Pure counting; the time is an argument."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MAX_KEYS = 100_000
"""Whose consumption is remembered. Beyond that the one that asked longest ago begins afresh."""
_NEVER_SECONDS = 3600


@dataclass
class _Bucket:
    level: float
    at: float


class Buckets(Generic[K]):
    """A token bucket for each key."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[K, _Bucket] = OrderedDict()

    def take(self, key: K, now: float, count: int = 1) -> int:
        """Takes so many, where there are as many; all that there can be, where more are wanted.

        Args:
            now: seconds since some start.

        Returns:
            Zero; or the seconds until there are as many.
        """
        count = min(count, self._burst)
        bucket = self._buckets.pop(key, None) or _Bucket(self._burst, now)
        self._buckets[key] = bucket
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        bucket.level = min(self._burst, bucket.level + max(0.0, now - bucket.at) * self._per_second)
        bucket.at = now
        if bucket.level >= count:
            bucket.level -= count
            return 0
        return max(1, math.ceil((count - bucket.level) / self._per_second)) if self._per_second else _NEVER_SECONDS
