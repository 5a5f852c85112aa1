"""ROC and precision-recall curves: by hand, their areas, and how many points are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from stages.scoring import curves
from stages.scoring.curves import MACRO, MICRO, POINTS, Row, precision_recall, roc, thin

BINARY = np.array([0, 1, 0, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9]]), ["no", "yes"]


def lines(rows: list[Row]) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """Return {curve: (abscissas, ordinates, area)}."""
    found = {}
    for name in dict.fromkeys(row[0] for row in rows):
        xs, ys, areas = np.array([row[1:] for row in rows if row[0] == name]).T
        assert len(set(areas)) == 1
        found[name] = xs, ys, areas[0]
    return found


def step_area(xs: np.ndarray, ys: np.ndarray) -> float:
    return float((np.diff(xs) * ys[1:]).sum())


def random_case(rows: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    draw = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), draw.integers(0, classes, rows)])
    scores = draw.random((len(labels), classes)).round(2) + np.eye(classes)[labels] * 0.3
    return labels, scores / scores.sum(1, keepdims=True), [f"class {c}" for c in range(classes)]


def test_binary_roc_by_hand() -> None:
    assert roc(*BINARY) == [
        ("yes", 0.0, 0.0, 0.75), ("yes", 0.0, 0.5, 0.75), ("yes", 0.5, 0.5, 0.75), ("yes", 0.5, 1.0, 0.75),
        ("yes", 1.0, 1.0, 0.75),
    ]  # fmt: skip


def test_binary_precision_recall_by_hand() -> None:
    area = pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert precision_recall(*BINARY) == [
        ("yes", 0.0, 1.0, area), ("yes", 0.5, 1.0, area), ("yes", 1.0, pytest.approx(2 / 3), area),
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 40), st.integers(3, 6), st.integers(0, 2**32 - 1))
def test_areas_below_the_curves_are_the_areas_told(rows: int, classes: int, seed: int) -> None:
    case = random_case(rows, classes, seed)
    for xs, ys, area in lines(roc(*case)).values():
        assert metrics.auc(xs, ys) == pytest.approx(area, abs=1e-9)
    for xs, ys, area in lines(precision_recall(*case)).values():
        assert step_area(xs, ys) == pytest.approx(area, abs=1e-9)


def test_macro_area_is_the_mean_of_all_classes() -> None:
    labels, probabilities, names = random_case(50, 4, 1)
    expected = metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert lines(roc(labels, probabilities, names))[MACRO][2] == pytest.approx(expected)


def test_micro_area_is_that_of_all_pairs() -> None:
    labels, probabilities, names = random_case(50, 4, 1)
    expected = metrics.average_precision_score(np.eye(4)[labels].ravel(), probabilities.ravel())
    assert lines(precision_recall(labels, probabilities, names))[MICRO][2] == pytest.approx(expected)


def test_the_largest_classes_have_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "LARGEST", 2)
    labels = np.array([0, 1, 1, 1, 2, 2, 3, 3])
    probabilities = np.eye(4)[labels]
    assert list(lines(roc(labels, probabilities, ["a", "b", "c", "d"]))) == [MACRO, MICRO, "b", "c"]


def test_a_class_without_examples_has_no_curve() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.eye(3)[labels]
    assert list(lines(precision_recall(labels, probabilities, ["a", "b", "c"]))) == [MACRO, MICRO, "a", "b"]


def test_one_class_alone_has_no_binary_curve() -> None:
    assert roc(np.array([1, 1]), np.array([[0.2, 0.8], [0.3, 0.7]]), ["no", "yes"]) == []


def test_curves_of_many_rows_have_few_points() -> None:
    labels, probabilities, names = random_case(20_000, 3, 0)
    for kind in (roc, precision_recall):
        for xs, _, _ in lines(kind(labels, probabilities, names)).values():
            assert len(xs) <= POINTS
            assert (xs[0], xs[-1]) == (0.0, 1.0)
            assert np.all(np.diff(xs) >= 0)
            assert np.max(np.abs(np.diff(xs))) < 0.05


def test_thinned_roc_keeps_its_area() -> None:
    labels, probabilities, names = random_case(20_000, 3, 0)
    for xs, ys, area in lines(roc(labels, probabilities, names)).values():
        assert metrics.auc(xs, ys) == pytest.approx(area, abs=1e-3)


def test_thin_keeps_points_of_the_line() -> None:
    xs = np.linspace(0, 1, 1000) ** 2
    kept = thin((xs, xs**2), 50)
    assert len(kept[0]) <= 50
    assert set(zip(*kept, strict=True)) <= set(zip(xs, xs**2, strict=True))


def test_thin_leaves_a_short_line_alone() -> None:
    line = np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.9, 1.0])
    assert thin(line, 3) is line
