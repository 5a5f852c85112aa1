"""The scores by which runs are compared, fast enough to be computed on every resample of a bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stages.scoring.probabilities import predicted

Floats = NDArray[np.floating]
Labels = NDArray[np.integer]

# Log-loss takes smaller probabilities for this, 2.2e-16, as scikit-learn does for probabilities of float64. For those
# of float32, as ours are stored, scikit-learn takes float32's epsilon, 1.2e-7: give it float64 to get our number.
SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Metric:
    """A score of (labels (N,), probabilities (N, C)), and which way it improves."""

    better: Literal["higher", "lower"]
    compute: Callable[[Labels, Floats], float]


@dataclass(frozen=True)
class Tally:
    """Counts of each class, (..., C), over any leading axes: all that the scores of hard predictions need."""

    hits: NDArray[np.int64]  # rows of the class that were predicted as such
    actual: NDArray[np.int64]  # rows of the class
    predicted: NDArray[np.int64]  # rows predicted as the class

    @classmethod
    def of(cls, labels: Labels, predictions: Labels, classes: int) -> Tally:
        """Count `labels` and `predictions`, (..., N) each, along the last axis."""
        rows = int(np.prod(labels.shape[:-1]))
        offsets = (np.arange(rows) * classes).reshape(*labels.shape[:-1], 1)

        def count(values: NDArray[Any], among: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
            places = values + offsets
            places = places.ravel() if among is None else places[among]
            return np.bincount(places, minlength=rows * classes).reshape(*labels.shape[:-1], classes)

        return cls(count(labels, labels == predictions), count(labels), count(predictions))

    def accuracy(self) -> Any:
        """Return the share of hits, (...)."""
        return self.hits.sum(-1) / self.actual.sum(-1)

    def f1(self) -> Any:
        """Return the F1 of each class, (..., C); 0 for a class that is neither there nor predicted."""
        return 2 * self.hits / np.maximum(self.actual + self.predicted, 1)

    def macro_f1(self) -> Any:
        """Return the mean F1 of the classes with examples, (...)."""
        there = self.actual > 0
        return (self.f1() * there).sum(-1) / there.sum(-1)

    def weighted_f1(self) -> Any:
        """Return the mean F1, each class weighted by its examples, (...)."""
        return (self.f1() * self.actual).sum(-1) / self.actual.sum(-1)

    def correlates(self) -> Any:
        """Return whether labels and predictions are of several classes each, (...): else `mcc` is undefined."""
        return ((self.actual > 0).sum(-1) > 1) & ((self.predicted > 0).sum(-1) > 1)

    def mcc(self) -> Any:
        """Return Matthews' correlation for any number of classes, (...): R_K of Gorodkin (2004), 0 where undefined."""
        hits, actual, guessed = (a.astype(np.float64) for a in (self.hits, self.actual, self.predicted))
        total = actual.sum(-1)
        spread = (total**2 - (guessed**2).sum(-1)) * (total**2 - (actual**2).sum(-1))
        agreement = hits.sum(-1) * total - (guessed * actual).sum(-1)
        return np.where(spread > 0, agreement / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)


def losses(labels: Labels, probabilities: Floats) -> NDArray[np.float64]:
    """Return -ln of each row's probability of its label, (N,), in nats; a probability below SMALLEST counts as that.

    So no row has more than 36.04 nats, however sure of another class the model was.
    """
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.clip(own, SMALLEST, 1.0)))


def accuracy(labels: Labels, probabilities: Floats) -> float:
    """Return the share of rows whose most probable class is their label."""
    return float(_tally(labels, probabilities).accuracy())


def macro_f1(labels: Labels, probabilities: Floats) -> float:
    """Return the unweighted mean F1 of the classes that occur in `labels`."""
    return float(_tally(labels, probabilities).macro_f1())


def log_loss(labels: Labels, probabilities: Floats) -> float:
    """Return the mean of `losses`, in nats an example."""
    return float(losses(labels, probabilities).mean())


def _tally(labels: Labels, probabilities: Floats) -> Tally:
    return Tally.of(labels, predicted(probabilities), probabilities.shape[1])
