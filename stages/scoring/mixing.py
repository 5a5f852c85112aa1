"""The outputs of several models as those of one, whose predictions are the mean of theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Outputs = NDArray[np.float32]


def of_classes(many: Sequence[Outputs]) -> Outputs:
    """Return the logarithm of the mean of softmax, (M, C), of logits, each (M, C)."""
    held = [one.astype(np.float64) for one in many]
    powers = [np.exp(one - one.max(axis=1, keepdims=True)) for one in held]
    mean = np.mean([one / one.sum(axis=1, keepdims=True) for one in powers], axis=0)
    return np.asarray(np.log(np.maximum(mean, np.finfo(np.float64).tiny)), dtype=np.float32)


def of_labels(many: Sequence[Outputs]) -> Outputs:
    """Return the logits of the mean of the logistic function, (M, L), of logits, each (M, L)."""
    chances, against = (
        np.mean([np.exp(-np.logaddexp(0, sign * one.astype(np.float64))) for one in many], axis=0) for sign in (-1, 1)
    )
    return np.asarray(np.log(chances) - np.log(against), dtype=np.float32)


def of_numbers(many: Sequence[Outputs]) -> Outputs:
    """Return the mean, (M, K), of outputs, each (M, K)."""
    return np.asarray(np.mean([one.astype(np.float64) for one in many], axis=0), dtype=np.float32)
