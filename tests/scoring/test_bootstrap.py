"""Bootstrap intervals: the same for the same seed, and about as wide as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from stages.scoring import bootstrap
from stages.scoring.bootstrap import intervals as of_judged
from stages.scoring.classification import Judged
from stages.targets.classes.report import METRICS


def intervals(labels: np.ndarray, probabilities: np.ndarray, resamples: int, seed: int) -> dict:
    return of_judged(Judged(labels, probabilities), METRICS, resamples, seed)


def sample(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) of three unequal classes and probabilities (N, 3) that are right for 80 % of the rows."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(3, rows, p=[0.6, 0.3, 0.1])
    guesses = np.where(draw.random(rows) < 0.8, labels, (labels + 1) % 3)
    return labels, np.eye(3)[guesses] * 0.7 + 0.1


def test_the_seed_decides_the_intervals() -> None:
    labels, probabilities = sample(300, 0)
    once, again, other = (intervals(labels, probabilities, 200, seed) for seed in (5, 5, 6))
    assert once == again
    assert once != other


def test_the_size_of_the_pieces_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities = sample(100, 0)
    whole = intervals(labels, probabilities, 200, 0)
    monkeypatch.setattr(bootstrap, "ROWS_AT_ONCE", 700)
    assert intervals(labels, probabilities, 200, 0) == whole


def test_each_resample_is_scored_as_scikit_learn_would() -> None:
    labels, probabilities = sample(60, 1)
    predictions = probabilities.argmax(1)
    draw = np.random.Generator(np.random.PCG64(3)).integers(0, 60, size=(100, 60))
    expected = {
        "accuracy": [metrics.accuracy_score(labels[d], predictions[d]) for d in draw],
        "macro_f1": [
            metrics.f1_score(labels[d], predictions[d], labels=np.unique(labels[d]), average="macro") for d in draw
        ],
        "weighted_f1": [metrics.f1_score(labels[d], predictions[d], average="weighted") for d in draw],
        "mcc": [metrics.matthews_corrcoef(labels[d], predictions[d]) for d in draw],
        "log_loss": [metrics.log_loss(labels[d], probabilities[d], labels=[0, 1, 2]) for d in draw],
    }
    found = intervals(labels, probabilities, 100, 3)
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        assert found[name] == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)


def test_about_95_in_100_intervals_hold_the_true_accuracy() -> None:
    held = 0
    for seed in range(200):
        lower, upper = intervals(*sample(250, seed), 200, seed)["accuracy"]
        held += lower <= 0.8 <= upper
    assert 180 <= held <= 198


def test_four_times_the_rows_halve_the_width() -> None:
    widths = []
    for rows in (500, 2000):
        lower, upper = intervals(*sample(rows, 0), 1000, 0)["accuracy"]
        widths.append(upper - lower)
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.2)


def test_without_errors_the_interval_is_a_point() -> None:
    labels = np.array([0, 1, 1, 2])
    assert intervals(labels, np.eye(3)[labels], 100, 0)["macro_f1"] == (1.0, 1.0)
