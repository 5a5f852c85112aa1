"""Whether a model is right as often as it says: reliability and expected calibration error (ECE).

Guo et al. (2017), arXiv:1706.04599, section 2: the confidence of a row is the probability of its predicted class; the
bins ((i - 1) / B, i / B] have equal widths; ECE is the mean gap between confidence and accuracy of the bins, weighted
by their rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bin:
    """One bin of confidence that holds rows."""

    low: float
    high: float
    examples: int
    confidence: float  # mean
    accuracy: float


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int) -> list[Bin]:
    """Return the bins that hold predictions, from low to high. confidence (N,) in [0, 1], correct (N,)."""
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    confidences = np.bincount(places, weights=confidence, minlength=bins)
    hits = np.bincount(places, weights=correct, minlength=bins)
    return [
        Bin(i / bins, (i + 1) / bins, int(n), float(confidences[i] / n), float(hits[i] / n))
        for i, n in enumerate(counts)
        if n
    ]


def drawn(found: list[Bin]) -> list[tuple[str, float, float, None]]:
    """Return the bins as a curve of metrics/evaluate/lines/: accuracy by confidence, beside that of a perfect model."""
    own = [("this model", bin.confidence, bin.accuracy, None) for bin in found]
    return [*own, ("as confident as right", 0.0, 0.0, None), ("as confident as right", 1.0, 1.0, None)]


def expected_calibration_error(found: list[Bin]) -> float:
    """Return the ECE of `reliability`, in [0, 1]."""
    rows = sum(b.examples for b in found)
    return sum(b.examples * abs(b.accuracy - b.confidence) for b in found) / rows
