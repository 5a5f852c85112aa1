"""The scores of a classifier by which runs are compared: of every target with one label an example.

An average over classes goes over the classes that have test examples, so that what is averaged depends on the data and
not on what a model happens to predict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stages.scoring.metric import Examples, Metric, counted, mean

Floats = NDArray[np.floating]
Labels = NDArray[np.integer]

# Log-loss takes smaller probabilities for this, 2.2e-16, as scikit-learn does for probabilities of float64. For those
# of float32, as ours are stored, scikit-learn takes float32's epsilon, 1.2e-7: give it float64 to get our number.
SMALLEST = float(np.finfo(np.float64).eps)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of finite `logits` (N, C): computed in float64, rounded once to float32.

    Every row is computed by itself, so its bits do not depend on the rows around it.
    """
    exact = np.ascontiguousarray(logits, dtype=np.float64)
    powers = np.exp(exact - exact.max(axis=1, keepdims=True))  # (N, C)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def predicted(probabilities: Floats) -> NDArray[np.int64]:
    """Return the most probable class of each row, (N,); the lowest index of equals."""
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True)
class Judged(Examples):
    """Rows with their labels and what the model said of them."""

    labels: Labels  # (N,) class indices
    probabilities: NDArray[np.float32]  # (N, C)

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the rows of `part`, whose logits are `outputs` (N, C)."""
        return cls(part["label"].astype(np.int64), softmax(outputs))

    def __len__(self) -> int:
        return len(self.labels)

    def predictions(self) -> NDArray[np.int64]:
        """Return the class of each row, (N,)."""
        return predicted(self.probabilities)


@dataclass(frozen=True)
class Tally:
    """Counts of each class, (..., C), over any leading axes: all that the scores of hard predictions need."""

    hits: NDArray[np.float64]  # rows of the class that were predicted as such
    actual: NDArray[np.float64]  # rows of the class
    predicted: NDArray[np.float64]  # rows predicted as the class

    @classmethod
    def of(cls, sums: NDArray[np.float64]) -> Tally:
        """Take the sums of `tallied`, (..., 3 C)."""
        hits, actual, predicted = np.split(sums, 3, axis=-1)
        return cls(hits, actual, predicted)

    def accuracy(self) -> Any:
        """Return the share of hits, (...)."""
        return self.hits.sum(-1) / self.actual.sum(-1)

    def f1(self) -> Any:
        """Return the F1 of each class, (..., C); 0 for a class that is neither there nor predicted."""
        return 2 * self.hits / np.maximum(self.actual + self.predicted, 1)

    def macro_f1(self) -> Any:
        """Return the mean F1 of the classes with examples, (...); 0 where there are none."""
        there = self.actual > 0
        return (self.f1() * there).sum(-1) / np.maximum(there.sum(-1), 1)

    def weighted_f1(self) -> Any:
        """Return the mean F1, each class weighted by its examples, (...)."""
        return (self.f1() * self.actual).sum(-1) / self.actual.sum(-1)

    def correlates(self) -> Any:
        """Return whether labels and predictions are of several classes each, (...): else `mcc` is undefined."""
        return ((self.actual > 0).sum(-1) > 1) & ((self.predicted > 0).sum(-1) > 1)

    def mcc(self) -> Any:
        """Return Matthews' correlation for any number of classes, (...): R_K of Gorodkin (2004), 0 where undefined."""
        hits, actual, guessed = self.hits, self.actual, self.predicted
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


def tallied(judged: Judged) -> csr_array:
    """Return for each row a one at its class if it was predicted, at its class, and at the predicted one: (N, 3 C)."""
    rows, classes = judged.probabilities.shape
    guessed = predicted(judged.probabilities)
    hit = guessed == judged.labels
    at = np.arange(rows)
    places = [judged.labels[hit], judged.labels + classes, guessed + 2 * classes]
    owners = [at[hit], at, at]
    ones = np.ones(sum(map(len, places)))
    return csr_array((ones, (np.concatenate(owners), np.concatenate(places))), shape=(rows, 3 * classes))


def row_losses(judged: Judged) -> NDArray[np.float64]:
    """Return (N, 2): the loss of each row in nats, and one."""
    return counted(losses(judged.labels, judged.probabilities))


ACCURACY = Metric("higher", lambda sums: Tally.of(sums).accuracy(), tallied, margin=0.01, worst=0.0)
MACRO_F1 = Metric("higher", lambda sums: Tally.of(sums).macro_f1(), tallied, margin=0.02, worst=0.0)
LOSS = Metric("lower", mean, row_losses)
METRICS = {"loss": LOSS, "accuracy": ACCURACY, "macro_f1": MACRO_F1}
