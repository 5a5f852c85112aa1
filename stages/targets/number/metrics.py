"""The scores of predicted numbers by which runs are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.metric import Examples, Metric, counted, mean

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged(Examples):
    """Rows with their numbers and those of the model."""

    truth: Floats  # (N,)
    guess: NDArray[np.float32]  # (N,)

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the rows of `part`, of which the model says `outputs` (N, 1)."""
        return cls(part["number"].astype(np.float64), outputs[:, 0])

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, indices: NDArray[np.int64]) -> Judged:
        """Return the rows at `indices`."""
        return Judged(self.truth[indices], self.guess[indices])


def squares(judged: Judged) -> Floats:
    """Return the squared error of each row, and one, (N, 2)."""
    return counted((judged.guess.astype(np.float64) - judged.truth) ** 2)


def moments(judged: Judged) -> Floats:
    """Return 1, x, y, x², y², xy of each row, (N, 6), from a common origin that keeps the sums small."""
    x, y = judged.truth, judged.guess.astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    return np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])


def pearson_of(sums: Floats) -> Any:
    """Return Pearson's correlation, (...), of the sums of `moments`, (..., 6); 0 where a side does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread = (xx - x * x / n) * (yy - y * y / n)
    return np.where(spread > 0, (xy - x * y / n) / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)


LOSS = Metric("lower", mean, squares)
RMSE = Metric("lower", lambda sums: np.sqrt(mean(sums)), squares)
PEARSON = Metric("higher", pearson_of, moments, margin=0.01, worst=-1.0)
METRICS = {"loss": LOSS, "rmse": RMSE, "pearson": PEARSON}
