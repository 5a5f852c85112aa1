"""Weights under which every class counts the same: `train.class_weights: balanced`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import InputError


def balanced(indices: NDArray[Any], labels: list[str]) -> NDArray[np.float32]:
    """Return N / (C * count of the class), (C,) float32, for class `indices` (N,) of `labels` (C,).

    Raises InputError when a class does not occur.
    """
    counts = np.bincount(indices, minlength=len(labels))
    if (counts == 0).any():
        absent = labels[int(counts.argmin())]
        raise InputError(f"train.class_weights: {absent!r} is in no training row, so it has no weight")
    weights: NDArray[np.float32] = (counts.sum() / (len(labels) * counts)).astype(np.float32)
    return weights
