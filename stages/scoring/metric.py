"""A score, by which runs are compared: what it is a function of, which way it improves, and how far is the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


class Examples:
    """N examples with what a model said of them: what `Judged` of targets/NAME/metrics.py is.

    `Judged.of(outputs, part, space)` makes it of the outputs of windows.
    """

    @classmethod
    def settles(cls, space: Mapping[str, Any]) -> bool:
        """Return whether something of the space is chosen on the examples of the validation split."""
        return False

    def predictions(self) -> NDArray[Any] | None:
        """Return what the model decides, which changes as a whole or not at all; None where it decides nothing."""
        return None

    def settled(self) -> dict[str, Any]:
        """Return what is chosen on these examples: thresholds, for example."""
        return {}


@dataclass(frozen=True)
class Metric:
    """A score of N examples that were judged (targets/NAME/metrics.py: `Judged`).

    A score that is a function of sums over examples has `counts`; any other is computed on whole rows, `rows`.
    """

    better: Literal["higher", "lower"]
    value: Callable[[Any], Any]  # sums (..., K) -> (...); of one without counts: judged examples -> float
    counts: Callable[[Any], Any] | None = None  # judged examples -> (N, K), an array or a sparse one
    margin: float | None = None  # two results within it are equivalent; None: it is not judged by
    worst: float | None = None  # the worst there is; None: there is no bound

    def compute(self, judged: Any) -> float:
        """Return the score of all examples."""
        if self.counts is None:
            return float(self.value(judged))
        return float(self.value(np.asarray(self.counts(judged).sum(axis=0), dtype=np.float64)))


def mean(sums: NDArray[np.float64]) -> Any:
    """Return sum / number, (...), of (..., 2)."""
    return sums[..., 0] / sums[..., 1]


def counted(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return (N, 2): each of `values` (N,) beside a one, of which `mean` is the mean."""
    return np.column_stack([values.astype(np.float64), np.ones(len(values))])
