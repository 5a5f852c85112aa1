"""A table of eight examples and three classes, small enough to be scored by hand."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest


class Table(NamedTuple):
    """Labels (8,), probabilities (8, 3) and class names."""

    labels: np.ndarray
    probabilities: np.ndarray
    names: list[str]


@pytest.fixture
def table() -> Table:
    """Confusion (rows are labels): a 3 1 0, b 0 2 0, c 0 1 1."""
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    probabilities = np.array(
        [
            [0.7, 0.2, 0.1],  # a as a
            [0.8, 0.1, 0.1],  # a as a
            [0.5, 0.3, 0.2],  # a as a
            [0.3, 0.6, 0.1],  # a as b
            [0.2, 0.7, 0.1],  # b as b
            [0.1, 0.5, 0.4],  # b as b
            [0.1, 0.6, 0.3],  # c as b
            [0.1, 0.1, 0.8],  # c as c
        ]
    )
    return Table(labels, probabilities, ["a", "b", "c"])


def one_hot(predictions: list[int], classes: int) -> np.ndarray:
    """Return certain probabilities, (N, C)."""
    return np.eye(classes)[predictions]
