"""SWA: the plain mean of the weights at regular points (Izmailov et al. 2018, arXiv:1803.05407, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field


@dataclass(frozen=True)
class SWA:
    """`(w_1 + … + w_n) / n`, w_i: the weights at the end of each epoch, or every so many steps, from `start` on.

    Until the first of these points the average is the weights themselves. The paper keeps the learning rate high for
    it: set `train.schedule` to constant.
    """

    every: Annotated[
        Literal["epoch"] | Annotated[int, Field(ge=1)], Field(description="a point: epoch, or steps >= 1")
    ] = "epoch"
    start: Annotated[float, Field(ge=0, lt=1, description="fraction of all steps before the first point, [0, 1)")] = 0.5
    averages: ClassVar[bool] = True

    def rate(self, step: int, steps: int, epoch: int) -> float:
        """Return 1 / n at the n-th point, 0 between two, 1 before all; see stages.learning.Average."""
        every = epoch if self.every == "epoch" else self.every
        passed = max(0, math.ceil(self.start * steps / every) - 1)  # points that come too early
        points = step // every - passed
        if points < 1:
            return 1.0
        return 0.0 if step % every else 1 / points
