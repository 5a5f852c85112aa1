"""Reliability bins and expected calibration error by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scoring.calibration import Bin, expected_calibration_error
from stages.scoring.calibration import reliability as by_confidence


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int) -> list[Bin]:
    """Return the bins of a classifier's labels (N,) and probabilities (N, C)."""
    return by_confidence(probabilities.max(axis=1).astype(float), probabilities.argmax(axis=1) == labels, bins)


LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.7, 0.3], [0.7, 0.3], [0.1, 0.9]])  # right, right, wrong, right


def test_bins_by_hand() -> None:
    low, high = reliability(LABELS, PROBABILITIES, 5)
    assert (low.low, low.high, low.examples, low.accuracy) == (0.6, 0.8, 2, 0.5)
    assert (high.low, high.high, high.examples, high.accuracy) == (0.8, 1.0, 2, 1.0)
    assert [low.confidence, high.confidence] == pytest.approx([0.7, 0.9])


def test_error_by_hand() -> None:
    # half of the rows: |0.5 - 0.7|; the other half: |1 - 0.9|
    assert expected_calibration_error(reliability(LABELS, PROBABILITIES, 5)) == pytest.approx(0.15)


def test_a_bin_holds_its_upper_end() -> None:
    found = reliability(np.array([0, 0]), np.array([[0.5, 0.5], [1.0, 0.0]]), 2)
    assert found == [Bin(0.0, 0.5, 1, 0.5, 1.0), Bin(0.5, 1.0, 1, 1.0, 1.0)]


def test_certain_and_right_is_perfectly_calibrated() -> None:
    assert expected_calibration_error(reliability(np.array([0, 1]), np.eye(2), 15)) == 0.0


def test_certain_and_wrong_is_not_calibrated_at_all() -> None:
    assert expected_calibration_error(reliability(np.array([1, 0]), np.eye(2), 15)) == 1.0


@given(st.integers(1, 300), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_every_row_is_in_the_bin_of_its_confidence(rows: int, bins: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    probabilities = draw.dirichlet([0.5] * 4, rows).astype(np.float32)
    found = reliability(draw.integers(0, 4, rows), probabilities, bins)
    assert sum(b.examples for b in found) == rows
    assert all(b.low - 1e-9 <= b.confidence <= b.high + 1e-9 for b in found)
