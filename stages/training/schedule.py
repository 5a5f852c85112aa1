"""The learning rate of each step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to `peak`, then linear or cosine decay to 0, or no decay.

    `warmup` is a fraction of `steps`; the first step already has a rate above 0, and so has the last.
    """

    kind: Literal["linear", "cosine", "constant"]
    peak: float
    warmup: float
    steps: int

    def rate(self, step: int) -> float:
        """Return the learning rate of `step`, counted from 0."""
        rising = math.ceil(self.warmup * self.steps)
        if step < rising:
            return self.peak * (step + 1) / rising
        if self.kind == "constant":
            return self.peak
        left = (self.steps - step) / (self.steps - rising)
        return self.peak * (left if self.kind == "linear" else 0.5 * (1 - math.cos(math.pi * left)))
