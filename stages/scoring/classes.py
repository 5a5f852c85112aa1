"""All scores of a classifier on one set of rows, as data/predictions/scores.json holds them, and as a table in text.

metrics/evaluate.json is the same without DETAILS: the numbers that `dvc metrics show` and `dvc exp show` have as
columns, with the notes on them and their intervals, which are lists, and which DVC leaves out therefore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import classification_report, precision_recall_fscore_support

from stages.core.shown import cut, terminal
from stages.scoring.calibration import Bin, expected_calibration_error
from stages.scoring.classification import Floats, Judged, Labels, Tally, losses, predicted, tallied
from stages.scoring.curves import average_precision, roc_area

AVERAGES = ("macro", "micro", "weighted")
DETAILS = ("averages", "examples", "per_class")
WIDEST = 60  # characters of a class's name in the report
OWN_LINES = ("accuracy", "macro avg", "weighted avg", "micro avg")  # how lines of the report begin


def scores(labels: Labels, probabilities: Floats, names: Sequence[str], bins: list[Bin]) -> dict[str, Any]:
    """Return the scores by name. labels (N,), probabilities (N, C), `names` of the C classes, N at least 1.

    `roc_auc` and `average_precision` are those of the second label when there are two classes, else the means of all
    classes that have test examples, each against the rest. A score whose definition divides by zero for these rows is
    None, where scikit-learn says 0, and `notes` names it. In averages over classes the precision of a class that is
    never predicted counts 0, as in scikit-learn.
    """
    predictions = predicted(probabilities)
    tally = Tally.of(np.asarray(tallied(Judged(labels, probabilities)).sum(axis=0)))
    classes = _classes(labels, probabilities, names, tally)
    averages = _averages(labels, predictions, classes)
    areas = classes[1:2] if len(names) == 2 else classes
    found: dict[str, Any] = {
        "accuracy": float(tally.accuracy()),
        "average_precision": _mean([c["average_precision"] for c in areas]),
        "averages": averages,
        "ece": expected_calibration_error(bins),
        "examples": len(labels),
        "log_loss": float(losses(labels, probabilities).mean()),
        "macro_f1": averages[0]["f1"],
        "mcc": float(tally.mcc()) if bool(tally.correlates()) else None,
        "per_class": classes,
        "roc_auc": _mean([c["roc_auc"] for c in areas]),
        "weighted_f1": averages[2]["f1"],
    }
    if len(names) == 2:
        found["f1"] = averages[3]["f1"]
    undefined = [key for key, value in found.items() if value is None]
    if len(names) == 2:
        undefined += [key for key in ("precision", "recall") if averages[3][key] is None]
    return {**found, "notes": _notes(classes, undefined)}


def class_table(labels: Labels, probabilities: Floats, names: Sequence[str]) -> str:
    """Return scikit-learn's classification report, of the classes that have test examples.

    A class that is called like a line of the report, or begins so, stands in quotes.
    """
    there = _there(labels)
    lines = [cut(terminal(names[c]), WIDEST) for c in there]
    shown = [repr(line) if line.strip().lower().startswith(OWN_LINES) else line for line in lines]
    return str(
        classification_report(
            labels, predicted(probabilities), labels=there, target_names=shown, digits=4, zero_division=0.0
        )
    )


def confusion(labels: Labels, probabilities: Floats, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the confusion matrix: the columns of MATRIX for each cell that is not empty, and the diagonal.

    `share` is of the label's examples; `row` and `column` count from 0, the class with the most examples first.
    """
    classes = len(names)
    sizes = np.bincount(labels, minlength=classes)
    place = np.empty(classes, dtype=np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(classes)
    matrix = np.bincount(labels * classes + predicted(probabilities), minlength=classes**2).reshape(classes, classes)
    actual, guessed = np.nonzero((matrix > 0) | np.eye(classes, dtype=bool))
    return [
        (names[i], names[j], int(matrix[i, j]), int(matrix[i, j]) / max(int(sizes[i]), 1), int(place[i]), int(place[j]))
        for i, j in zip(actual.tolist(), guessed.tolist(), strict=True)
    ]


def _there(labels: Labels) -> list[int]:
    return [int(c) for c in np.unique(labels)]


def _classes(labels: Labels, probabilities: Floats, names: Sequence[str], tally: Tally) -> list[dict[str, Any]]:
    table = []
    for c, name in enumerate(names):
        actual, guessed, hits = (int(a[c]) for a in (tally.actual, tally.predicted, tally.hits))
        is_class = labels == c
        there = actual > 0
        table.append(
            {
                "label": name,
                "examples": actual,
                "predicted": guessed,
                "precision": hits / guessed if guessed else None,
                "recall": hits / actual if there else None,
                "f1": float(tally.f1()[c]) if there else None,
                "roc_auc": roc_area(is_class, probabilities[:, c]),
                "average_precision": average_precision(is_class, probabilities[:, c]),
            }
        )
    return table


def _averages(
    labels: Labels, predictions: NDArray[np.int64], classes: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = []
    for name in AVERAGES:
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predictions, labels=_there(labels), average=name, zero_division=0.0
        )
        table.append({"average": name, "precision": float(precision), "recall": float(recall), "f1": float(f1)})
    if len(classes) == 2:  # of the second class alone, undefined where its own scores are
        own = {key: classes[1][key] for key in ("precision", "recall", "f1")}
        table.append({"average": "binary", **own, "positive": classes[1]["label"]})
    return table


def _mean(values: list[float | None]) -> float | None:
    defined = [v for v in values if v is not None]
    return float(np.mean(defined)) if defined else None


def _notes(classes: list[dict[str, Any]], undefined: list[str]) -> list[str]:
    absent = [f"{c['label']} ({c['predicted']} times predicted)" for c in classes if not c["examples"]]
    silent = [c["label"] for c in classes if c["examples"] and not c["predicted"]]
    notes = []
    if absent:
        notes.append(f"no test examples, left out of every average: {', '.join(absent)}")
    if silent:
        notes.append(f"never predicted, so their precision is undefined and counts 0 in averages: {', '.join(silent)}")
    if undefined:
        notes.append(f"undefined for these rows, as they divide by zero: {', '.join(undefined)}")
    return notes
