"""The headline scores: by hand on a small table, and against scikit-learn on random ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from stages.scoring.classification import METRICS, SMALLEST, Judged, Tally, losses, softmax, tallied


def tally_of(labels: np.ndarray, predictions: np.ndarray, classes: int) -> Tally:
    return Tally.of(tallied(Judged(labels, np.eye(classes)[predictions])).sum(axis=0))


def test_scores_by_hand(table) -> None:
    tally = tally_of(table.labels, table.probabilities.argmax(1), 3)
    assert float(tally.accuracy()) == 6 / 8
    assert tally.f1().tolist() == pytest.approx([6 / 7, 2 / 3, 2 / 3])
    assert float(tally.macro_f1()) == pytest.approx(46 / 63)
    assert float(tally.weighted_f1()) == pytest.approx(128 / 168)
    assert float(tally.mcc()) == pytest.approx(26 / math.sqrt(38 * 40))


def test_log_loss_by_hand(table) -> None:
    own = [0.7, 0.8, 0.5, 0.3, 0.7, 0.5, 0.3, 0.8]
    assert METRICS["loss"].compute(Judged(table.labels, table.probabilities)) == pytest.approx(
        -sum(map(math.log, own)) / 8, rel=1e-12
    )


@given(
    st.integers(2, 6).flatmap(
        lambda c: st.tuples(st.just(c), st.lists(st.tuples(st.integers(0, c - 1), st.integers(0, c - 1)), min_size=1))
    )
)
def test_scores_equal_scikit_learn(case: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = case
    labels, predictions = np.array(pairs).T
    tally = tally_of(labels, predictions, classes)
    there = np.unique(labels)
    f1 = {
        a: metrics.f1_score(labels, predictions, labels=there, average=a, zero_division=0.0)
        for a in ("macro", "weighted")
    }
    assert float(tally.accuracy()) == pytest.approx(metrics.accuracy_score(labels, predictions))
    assert float(tally.macro_f1()) == pytest.approx(f1["macro"])
    assert float(tally.weighted_f1()) == pytest.approx(f1["weighted"])
    expected = metrics.matthews_corrcoef(labels, predictions) if len(set(pairs)) > 1 else 0.0
    assert float(tally.mcc()) == pytest.approx(expected, abs=1e-12)


def test_leading_axes_are_counted_apart(table) -> None:
    predictions = table.probabilities.argmax(1)
    counts = [tallied(Judged(labels, np.eye(3)[predictions])).sum(axis=0) for labels in (table.labels, predictions)]
    both = Tally.of(np.stack(counts))
    assert both.hits.tolist() == [[3, 2, 1], [3, 4, 1]]
    assert both.actual.tolist() == [[4, 2, 2], [3, 4, 1]]
    assert both.accuracy().tolist() == [0.75, 1.0]


def test_a_class_without_examples_is_no_part_of_the_macro_average() -> None:
    labels, predictions = np.array([0, 0, 1, 1]), np.eye(3)[[0, 0, 1, 2]]
    assert METRICS["macro_f1"].compute(Judged(labels, predictions)) == pytest.approx((1 + 2 / 3) / 2)


def test_a_single_predicted_class_has_no_correlation() -> None:
    assert float(tally_of(np.array([0, 1, 2]), np.array([1, 1, 1]), 3).mcc()) == 0.0


def test_probabilities_of_zero_and_one_give_finite_losses() -> None:
    found = losses(np.array([0, 0]), np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    assert found.tolist() == [0.0, -math.log(SMALLEST)]


def test_log_loss_equals_scikit_learn_where_it_clips() -> None:
    labels, probabilities = np.array([0, 1, 1]), np.array([[1.0, 0.0], [1.0, 0.0], [0.25, 0.75]])
    assert METRICS["loss"].compute(Judged(labels, probabilities)) == pytest.approx(
        metrics.log_loss(labels, probabilities)
    )


def test_equal_probabilities_count_for_the_first_class() -> None:
    assert METRICS["accuracy"].compute(Judged(np.array([0, 1]), np.full((2, 2), 0.5))) == 0.5


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_headline_metric_prefers_the_better_prediction(name: str) -> None:
    labels = np.array([0, 1, 2])
    good, bad = np.eye(3) * 0.7 + 0.1, np.roll(np.eye(3) * 0.7 + 0.1, 1, axis=1)
    better, worse = (METRICS[name].compute(Judged(labels, p)) for p in (good, bad))
    assert isinstance(better, float)
    assert (better > worse) == (METRICS[name].better == "higher")


def test_softmax_by_hand() -> None:
    found = softmax(np.array([[0.0, math.log(3)], [1000.0, 0.0]], np.float32))
    assert found.dtype == np.float32
    assert found[0].tolist() == pytest.approx([0.25, 0.75], abs=1e-7)
    assert found[1].tolist() == [1.0, 0.0]


@given(st.integers(1, 70), st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_softmax_of_a_row_does_not_depend_on_its_neighbours(rows: int, classes: int, seed: int) -> None:
    logits = (np.random.default_rng(seed).standard_normal((rows, classes)) * 8).astype(np.float32)
    whole = softmax(logits)
    assert all(softmax(logits[i : i + 1]).tobytes() == whole[i].tobytes() for i in range(rows))
