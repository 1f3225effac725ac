"""How much noise there is, and what it may look like. Pure: the noise itself is OpenDP's."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Noise:
    """What OpenDP adds to a count: two-sided geometric (discrete Laplace) or discrete Gaussian."""

    gaussian: bool
    scale: float
    """Of Gaussian noise the standard deviation, else the mean distance from zero (nearly)."""

    @property
    def deviation(self) -> float:
        """Its standard deviation."""
        return self.scale if self.gaussian else self.scale * math.sqrt(2)

    def beyond(self, counts: int, chance: float) -> float:
        """What the noise on so many counts exceeds with at most that chance, anywhere among them."""
        if self.gaussian:
            return self.scale * math.sqrt(2 * math.log(counts / chance))
        return self.scale * math.log(counts / chance)

    @classmethod
    def of(cls, gaussian: bool, loss: float) -> Noise:
        """What answering one count costs: epsilon, or rho where it is Gaussian."""
        return cls(gaussian, 1 / math.sqrt(2 * loss) if gaussian else 1 / loss)
