"""An exponential moving average of the weights (Polyak & Juditsky 1992, doi:10.1137/0330046)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field


@dataclass(frozen=True)
class EMA:
    """After t steps: `sum over i <= t of d^(t - i) w_i / sum over i <= t of d^(t - i)`; d: the decay, w_i: step i's.

    The start has no part in it, which in a short run would weigh the most: Adam corrects its moments in the same way
    (Kingma & Ba 2015, arXiv:1412.6980, section 3).
    """

    decay: Annotated[float, Field(gt=0, lt=1, description="weight of a step against the next one's, (0, 1)")] = 0.99
    averages: ClassVar[bool] = True

    def rate(self, step: int, steps: int, epoch: int) -> float:
        """Return `(1 - d) / (1 - d^t)`; see stages.learning.Average."""
        return (1 - self.decay) / (1 - self.decay**step)
