"""The scores of several labels by which runs are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.classification import Tally
from stages.scoring.metric import Examples, Metric, counted, mean
from stages.targets.labels.head import held

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
SMALLEST = float(np.finfo(np.float64).eps)  # a smaller probability counts as this in the loss


@dataclass(frozen=True)
class Judged(Examples):
    """Rows with their labels and how probable the model found each."""

    truth: Bools  # (N, L)
    probabilities: NDArray[np.float32]  # (N, L)
    threshold: Floats  # (L,)
    chosen: str | None = None  # how thresholds are chosen on validation rows: common, each, or None

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the rows of `part`, whose logits are `outputs` (N, L)."""
        exact = outputs.astype(np.float64)
        powers = np.exp(-np.abs(exact))
        probabilities = (np.where(exact >= 0, 1.0, powers) / (1 + powers)).astype(np.float32)
        asked = space["threshold"]
        chosen = asked if isinstance(asked, str) else None
        threshold = np.broadcast_to(0.5 if chosen else asked, len(space["labels"])).astype(np.float64)
        return cls(held(part, space), probabilities, threshold, chosen)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def guess(self) -> Bools:
        """Return the labels that reach their threshold, (N, L)."""
        return self.probabilities >= self.threshold

    def predictions(self) -> Bools:
        """Return the labels of each row, (N, L)."""
        return self.guess

    @classmethod
    def settles(cls, space: Mapping[str, Any]) -> bool:
        """Return whether params leave the thresholds to the validation rows."""
        return isinstance(space["threshold"], str)

    def settled(self) -> dict[str, Any]:
        """Return the thresholds with the best F1 on these rows."""
        if self.chosen == "common":
            return {"threshold": [best(self.truth.ravel(), self.probabilities.ravel())] * self.truth.shape[1]}
        return {"threshold": [best(*of) for of in zip(self.truth.T, self.probabilities.T, strict=True)]}


def best(truth: Bools, probabilities: NDArray[np.float32]) -> float:
    """Return the threshold at which F1 is largest, of equal ones the largest; 0.5 where nothing is true.

    truth, probabilities (N,). It lies half way between two probabilities that occur, so that it is hit by none.
    """
    if not truth.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    sorted_ = probabilities[order].astype(np.float64)
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    last = np.append(sorted_[1:] < sorted_[:-1], True)  # of equal probabilities, none or all are taken
    place = int(np.argmax(np.where(last, f1, -1.0)))
    below = sorted_[place + 1] if place + 1 < len(sorted_) else 0.0
    return float((sorted_[place] + below) / 2)


def tallied(judged: Judged) -> Floats:
    """Return for each row ones at the labels that are right, that it has, and that are predicted, (N, 3 L)."""
    truth, guess = judged.truth, judged.guess
    return np.hstack([truth & guess, truth, guess]).astype(np.float64)


def micro_f1_of(sums: Floats) -> Any:
    """Return the F1 over all (row, label) pairs, (...), of the sums of `tallied`; 0 where there is no label at all."""
    hits, actual, predicted = (of.sum(-1) for of in np.split(sums, 3, axis=-1))
    return 2 * hits / np.maximum(actual + predicted, 1)


def losses(judged: Judged) -> Floats:
    """Return the mean binary cross-entropy of each row in nats, and one, (N, 2)."""
    own = np.where(judged.truth, judged.probabilities, 1 - judged.probabilities.astype(np.float64))
    return counted(-np.log(np.clip(own, SMALLEST, 1.0)).mean(axis=1))


def exact(judged: Judged) -> Floats:
    """Return whether each row has exactly its labels, and one, (N, 2)."""
    return counted((judged.truth == judged.guess).all(axis=1))


LOSS = Metric("lower", mean, losses)
MICRO_F1 = Metric("higher", micro_f1_of, tallied, margin=0.01, worst=0.0)
MACRO_F1 = Metric("higher", lambda sums: Tally.of(sums).macro_f1(), tallied, margin=0.02, worst=0.0)
SUBSET = Metric("higher", mean, exact, margin=0.015, worst=0.0)
METRICS = {"loss": LOSS, "macro_f1": MACRO_F1, "subset_accuracy": SUBSET, "micro_f1": MICRO_F1}
