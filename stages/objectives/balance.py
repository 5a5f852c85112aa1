"""Weights under which every class counts the same: `train.class_weights: balanced`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from stages.core.errors import InputError


def balanced(labels: np.ndarray[Any, Any], classes: int) -> torch.Tensor:
    """Return N / (C * count of the class), (C,) float32, for `labels` (N,) of `classes` C.

    Raises InputError when a class has no row.
    """
    counts: np.ndarray[Any, Any] = np.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise InputError(f"train.class_weights: class number {int(counts.argmin())} has no training row to be weighted")
    return torch.from_numpy((counts.sum() / (classes * counts)).astype(np.float32))
