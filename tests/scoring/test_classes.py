"""The whole dict of scores, the text report and the confusion matrix on cases scored by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stages.core.files import canonical_json
from stages.scoring.calibration import reliability
from stages.scoring.classes import class_table, confusion, scores
from stages.scoring.classification import Judged
from stages.scoring.report import Options
from stages.targets.classes.report import report


def scored(labels: list[int], probabilities: np.ndarray, names: list[str]) -> dict:
    array = np.array(labels)
    bars = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == array, 10)
    return scores(array, probabilities, names, bars)


def test_flat_scores_by_hand(table) -> None:
    found = scored(table.labels, table.probabilities, table.names)
    flat = {key: value for key, value in found.items() if not isinstance(value, list)}
    assert flat == {
        "accuracy": 0.75,
        "average_precision": pytest.approx((1 + (1 + 2 / 4) / 2 + (1 + 2 / 3) / 2) / 3),
        "ece": pytest.approx((abs(1 - 0.5) + abs(0 - 0.6) + abs(1 - 0.7) + abs(1 - 0.8)) / 4),
        "examples": 8,
        "log_loss": pytest.approx(-math.log(0.7**2 * 0.8**2 * 0.5**2 * 0.3**2) / 8),
        "macro_f1": pytest.approx(46 / 63),
        "mcc": pytest.approx(26 / math.sqrt(38 * 40)),
        "roc_auc": pytest.approx((1 + 10 / 12 + 11 / 12) / 3),
        "weighted_f1": pytest.approx(128 / 168),
    }


def test_classes_by_hand(table) -> None:
    b = scored(table.labels, table.probabilities, table.names)["per_class"][1]
    assert b == {
        "label": "b", "examples": 2, "predicted": 4, "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3),
        "roc_auc": pytest.approx(10 / 12), "average_precision": pytest.approx((1 + 2 / 4) / 2),
    }  # fmt: skip


def test_averages_by_hand(table) -> None:
    macro, micro, weighted = scored(table.labels, table.probabilities, table.names)["averages"]
    assert macro == {
        "average": "macro", "precision": pytest.approx(5 / 6), "recall": pytest.approx(3 / 4),
        "f1": pytest.approx(46 / 63),
    }  # fmt: skip
    assert micro == {"average": "micro", "precision": 0.75, "recall": 0.75, "f1": 0.75}
    assert weighted["precision"] == pytest.approx(7 / 8)
    assert weighted["recall"] == 0.75


def test_two_classes_have_the_scores_of_the_second() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])
    found = scored([0, 1, 0, 1], probabilities, ["ham", "spam"])
    assert (found["roc_auc"], found["average_precision"]) == (0.75, pytest.approx(5 / 6))
    assert found["f1"] == 0.5
    assert found["averages"][3] == {"average": "binary", "precision": 0.5, "recall": 0.5, "f1": 0.5, "positive": "spam"}


def test_an_absent_class_is_noted_and_left_out() -> None:
    found = scored([0, 0, 1, 1], np.eye(3)[[0, 0, 1, 2]], ["a", "b", "c"])
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["per_class"][2] == {
        "label": "c", "examples": 0, "predicted": 1, "precision": 0.0, "recall": None, "f1": None, "roc_auc": None,
        "average_precision": None,
    }  # fmt: skip
    assert found["notes"] == ["no test examples, left out of every average: c (1 times predicted)"]


def test_an_absent_class_that_is_never_predicted_has_no_precision() -> None:
    assert scored([0, 1], np.eye(3)[[0, 1]], ["a", "b", "c"])["per_class"][2]["precision"] is None


def test_a_class_never_predicted_has_no_precision_to_speak_of() -> None:
    found = scored([0, 1], np.eye(2)[[0, 0]], ["a", "b"])["per_class"][1]
    assert (found["precision"], found["recall"], found["f1"]) == (None, 0.0, 0.0)


SPAM = {  # predictions for test rows of ham alone, of spam alone, of both -> binary averages, other scores, notes
    "all ham, some taken for spam": (
        [0, 0], [0, 1], (0.0, None, None), {"roc_auc": None, "average_precision": None, "mcc": None, "macro_f1": 2 / 3},
        [
            "no test examples, left out of every average: spam (1 times predicted)",
            "undefined for these rows, as they divide by zero: average_precision, mcc, roc_auc, f1, recall",
        ],
    ),
    "all ham, none taken for spam": (
        [0, 0], [0, 0], (None, None, None), {"roc_auc": None, "average_precision": None, "mcc": None, "macro_f1": 1.0},
        [
            "no test examples, left out of every average: spam (0 times predicted)",
            "undefined for these rows, as they divide by zero: average_precision, mcc, roc_auc, f1, precision, recall",
        ],
    ),
    "all spam, one found": (
        [1, 1], [0, 1], (1.0, 0.5, 2 / 3), {"roc_auc": None, "average_precision": 1.0, "mcc": None, "macro_f1": 2 / 3},
        [
            "no test examples, left out of every average: ham (1 times predicted)",
            "undefined for these rows, as they divide by zero: mcc, roc_auc",
        ],
    ),
    "both, all taken for ham": (
        [0, 1], [0, 0], (None, 0.0, 0.0), {"roc_auc": 0.5, "average_precision": 0.5, "mcc": None, "macro_f1": 1 / 3},
        [
            "never predicted, so their precision is undefined and counts 0 in averages: spam",
            "undefined for these rows, as they divide by zero: mcc, precision",
        ],
    ),
    "both, half right": (
        [0, 1, 0, 1], [0, 1, 1, 0], (0.5, 0.5, 0.5),
        {"roc_auc": 0.5, "average_precision": 0.5, "mcc": 0.0, "macro_f1": 0.5}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPAM)
def test_what_divides_by_zero_is_null_and_named(case: str) -> None:
    labels, predictions, binary, others, notes = SPAM[case]
    found = scored(labels, np.array([[0.75, 0.25], [0.25, 0.75]])[predictions], ["ham", "spam"])
    average = found["averages"][3]
    assert (average["precision"], average["recall"], average["f1"]) == pytest.approx(binary)
    assert [average[key] for key in ("precision", "recall", "f1")] == [
        found["per_class"][1][key] for key in ("precision", "recall", "f1")
    ]
    assert found["f1"] == average["f1"]
    assert {name: found[name] for name in others} == pytest.approx(others)
    assert found["notes"] == notes


def test_an_undefined_score_has_no_interval() -> None:
    labels, probabilities = np.array([0, 0]), np.array([[0.8, 0.2], [0.4, 0.6]])
    said = report(Judged(labels, probabilities), (), {"labels": ["ham", "spam"]}, Options(10, 100, 0))
    assert sorted(said.scores["intervals"]) == ["accuracy", "log_loss", "macro_f1", "weighted_f1"]
    assert "mcc" not in said.text.split("no test examples")[0]


@pytest.mark.parametrize("labels", [[0], [0, 0], [2, 2, 1], [0, 1, 2]])
def test_scores_always_have_canonical_json(labels: list[int]) -> None:
    assert canonical_json(scored(labels, np.eye(3)[[1] * len(labels)], ["a", "b", "c"]))


def test_class_table_names_the_classes(table) -> None:
    lines = class_table(table.labels, table.probabilities, table.names).splitlines()
    assert lines[3].split() == ["b", "0.5000", "1.0000", "0.6667", "2"]
    assert lines[6].split() == ["accuracy", "0.7500", "8"]


def test_confusion_lists_what_occurs_and_the_diagonal() -> None:
    found = confusion(np.array([0, 2, 2, 2, 2]), np.eye(3)[[2, 2, 2, 2, 0]], ["a", "b", "c"])
    assert found == [
        ("a", "a", 0, 0.0, 1, 1),
        ("a", "c", 1, 1.0, 1, 0),
        ("b", "b", 0, 0.0, 2, 2),
        ("c", "a", 1, 0.25, 0, 1),
        ("c", "c", 3, 0.75, 0, 0),
    ]
