"""Any number of labels an example: how they are read, scored and told; scikit-learn says the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from stages.core.errors import InputError
from stages.scoring.report import Options
from stages.targets.labels.data import Labels
from stages.targets.labels.metrics import METRICS, Judged, best
from stages.targets.labels.report import METRICS as ALL
from stages.targets.labels.report import render, report, table, worst, wrong

SPACE = {"labels": ["a", "b", "c"], "threshold": 0.5}


def drawn(seed: int, rows: int = 40, chosen: str | None = None) -> Judged:
    draw = np.random.default_rng(seed)
    truth = draw.random((rows, 3)) < 0.4
    probabilities = np.clip(truth * 0.3 + draw.random((rows, 3)) * 0.7, 0, 1).astype(np.float32)
    return Judged(truth, probabilities.round(1), np.full(3, 0.5), chosen)


@given(st.integers(0, 10_000))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    judged = drawn(seed)
    truth, guess = judged.truth, judged.guess
    there = np.flatnonzero(truth.any(axis=0))
    wanted = {
        "micro_f1": metrics.f1_score(truth, guess, average="micro", zero_division=0),
        "macro_f1": metrics.f1_score(truth, guess, labels=there, average="macro", zero_division=0),
        "subset_accuracy": metrics.accuracy_score(truth, guess),
        "ranking_average_precision": metrics.label_ranking_average_precision_score(truth, judged.probabilities),
        "hamming_loss": metrics.hamming_loss(truth, guess),
    }
    assert {name: ALL[name].compute(judged) for name in wanted} == pytest.approx(wanted)
    assert list(METRICS)[-1] == next(iter(ALL)) == "micro_f1"


def test_outputs_become_probabilities_without_overflow() -> None:
    part = {"labels": [np.array([0, 2]), np.array([], dtype=np.int64)]}
    judged = Judged.of(np.array([[0, -800, 800], [1, 2, -3]], dtype=np.float32), part, SPACE)
    assert judged.probabilities[0].tolist() == [0.5, 0.0, 1.0]
    assert judged.truth.tolist() == [[True, False, True], [False, False, False]]
    assert judged.guess[0].tolist() == [True, False, True]
    assert METRICS["loss"].compute(judged) < 1


def test_thresholds_are_those_with_the_best_f1() -> None:
    truth = np.array([True, True, False, True, False])
    scores = np.array([0.9, 0.6, 0.6, 0.3, 0.1], dtype=np.float32)
    assert best(truth, scores) == pytest.approx(0.2)  # 3 of 4 right, all found: F1 6/7
    assert best(truth & False, scores) == 0.5
    assert best(np.array([True, True]), np.array([0.2, 0.2], dtype=np.float32)) == pytest.approx(0.1)


def test_thresholds_are_chosen_on_validation_rows_or_given() -> None:
    assert [Judged.settles({"threshold": of}) for of in (0.5, [0.5], "each", "common")] == [False, False, True, True]
    common = drawn(1, chosen="common").settled()["threshold"]
    each = drawn(1, chosen="each").settled()["threshold"]
    assert len(set(common)) == 1
    assert len(set(each)) > 1
    judged = drawn(1)
    for held in (common, each):
        better = Judged(judged.truth, judged.probabilities, np.array(held))
        assert METRICS["micro_f1"].compute(better) >= METRICS["micro_f1"].compute(judged)
    part: dict[str, Any] = {"labels": [np.array([1])]}
    again = Judged.of(np.zeros((1, 3), np.float32), part, {**SPACE, "threshold": [0.4, 0.6, 0.5]})
    assert again.guess.tolist() == [[True, False, True]]


def test_what_is_told() -> None:
    judged = drawn(2)
    said = report(judged, (), SPACE, Options(5, 100, 0))
    assert {row["label"] for row in said.scores["per_label"]} == {"a", "b", "c"}
    assert said.scores["per_label"][0]["threshold"] == 0.5
    assert set(said.tables) == {
        "lines/precision_by_recall.tsv", "lines/accuracy_by_confidence.tsv", "bars/f1_by_label.tsv",
    }  # fmt: skip
    rows = worst(judged, SPACE, 5)
    assert all((judged.truth[row] != judged.guess[row]).any() for row in rows)
    counts = (judged.truth != judged.guess).sum(axis=1)
    assert [counts[row] for row in rows] == sorted(counts, reverse=True)[:5]
    told = wrong(judged, rows[0], SPACE, ())
    assert told.actual != told.predicted
    line = render(judged, 0, SPACE, ())
    assert [name for name in SPACE["labels"] if line["probabilities"][name] >= 0.5] == line["labels"]
    written = table(np.arange(40), judged, (), SPACE).to_pylist()
    assert written[0]["prediction"] == line["labels"]
    assert "threshold" in said.text


def test_rows_without_any_label_leave_f1_undefined() -> None:
    judged = Judged(np.zeros((2, 3), bool), np.full((2, 3), 0.1, np.float32), np.full(3, 0.5))
    said = report(judged, (), SPACE, Options(5, 100, 0)).scores
    assert (said["micro_f1"], said["subset_accuracy"]) == (None, 1.0)
    assert said["notes"] == ["no test example has a label: F1 is undefined"]


@pytest.mark.parametrize(
    ("separator", "cell", "found"),
    [
        (None, ("b", "a", "b"), ("a", "b")),
        (None, (), ()),
        (None, "", ()),
        (";", "10; 9", ("9", "10")),
        (";", "", ()),
        (";", ("a",), ("a",)),
    ],
)
def test_labels_are_read(separator: str | None, cell: Any, found: tuple[str, ...]) -> None:
    assert Labels(separator).answer(("x",), (cell,), "") == (found,)


@pytest.mark.parametrize(
    ("separator", "cell", "message"),
    [
        (None, "a;b", "a, line 1: labels in one text, 'a;b', wanted a list: or say in target.separator what"),
        (";", "a;;b", "a, line 1: an empty label, wanted one on each side of ';'"),
        (None, ("a\u202eb",), r"a, line 1: label 'a\\u202eb' holds U\+202E"),
    ],
)
def test_labels_that_cannot_be_read_are_told(separator: str | None, cell: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        Labels(separator).answer(("x",), (cell,), "a, line 1")


def test_no_label_at_all_is_nothing_to_learn() -> None:
    with pytest.raises(InputError, match=r"^data.columns.labels: no row has a label: there is nothing to learn$"):
        Labels().space([((),)])
