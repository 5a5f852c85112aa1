"""From logits to the probabilities that are stored and scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of finite `logits` (N, C): computed in float64, rounded once to float32.

    Every row is computed by itself, so its bits do not depend on the rows around it.
    """
    exact = np.ascontiguousarray(logits, dtype=np.float64)
    powers = np.exp(exact - exact.max(axis=1, keepdims=True))  # (N, C)
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def predicted(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the most probable class of each row, (N,); the lowest index of equals."""
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
