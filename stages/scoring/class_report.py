"""What evaluate tells of a classifier, and what predict says of a row: of every target with one label an example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stages.core.shown import plotted
from stages.interfaces import Value
from stages.scoring.calibration import drawn, reliability
from stages.scoring.classes import class_table, confusion, scores
from stages.scoring.classification import ACCURACY, LOSS, MACRO_F1, Judged, Labels, Tally, predicted, tallied
from stages.scoring.curves import MACRO, MICRO, precision_recall, roc
from stages.scoring.metric import Metric
from stages.scoring.report import BARS, LINES, MATRIX, Options, Report, Wrong, report_of

METRICS = {
    "accuracy": ACCURACY,
    "macro_f1": MACRO_F1,
    "weighted_f1": Metric("higher", lambda sums: Tally.of(sums).weighted_f1(), tallied, worst=0.0),
    "mcc": Metric("higher", lambda sums: Tally.of(sums).mcc(), tallied, margin=0.015, worst=-1.0),
    "log_loss": LOSS,
}


def report_of_classes(judged: Judged, metrics: Mapping[str, Metric], names: Sequence[str], options: Options) -> Report:
    """Score `judged`, N rows, N at least 1, by `metrics`, which are METRICS and perhaps others; `names` of classes."""
    labels, probabilities = judged.labels, judged.probabilities
    sure = probabilities.max(axis=1).astype(np.float64)
    bars = reliability(sure, predicted(probabilities) == labels, options.bins)
    found = scores(labels, probabilities, names, bars)
    notes = found.pop("notes")
    shown = plotted(names, (MACRO, MICRO))
    f1 = [(name, c["f1"]) for name, c in zip(shown, found["per_class"], strict=True) if c["f1"] is not None]
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "matrix/confusion.tsv": (MATRIX, confusion(labels, probabilities, shown)),
        "lines/true_positive_rate_by_false_positive_rate.tsv": (LINES, roc(labels, probabilities, shown)),
        "lines/precision_by_recall.tsv": (LINES, precision_recall(labels, probabilities, shown)),
        "lines/accuracy_by_confidence.tsv": (LINES, drawn(bars)),
        "bars/f1_by_class.tsv": (BARS, f1),
    }
    return report_of(judged, metrics, options, found, notes, tables, class_table(labels, probabilities, names))


def table(ids: Labels, judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, label, prediction and a float32 column `p_NAME` for each class: all scores follow from these."""
    names, probabilities = space["labels"], judged.probabilities
    words = pa.array(names, pa.string())
    columns: dict[str, pa.Array] = {
        "id": pa.array(ids, pa.int64()),
        "label": words.take(pa.array(judged.labels)),
        "prediction": words.take(pa.array(predicted(probabilities))),
    }
    columns |= {f"p_{name}": pa.array(probabilities[:, c], pa.float32()) for c, name in enumerate(names)}
    return pa.table(columns)


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` rows that are wrong: the most confident first, equals in the order of rows."""
    rows = np.flatnonzero(predicted(judged.probabilities) != judged.labels)
    order = np.argsort(-judged.probabilities[rows].max(axis=1), kind="stable")
    return [int(row) for row in rows[order][:limit]]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return the label of a row, that of the model, and how probable it found both."""
    names, probabilities = space["labels"], judged.probabilities[row]
    label, guess = int(judged.labels[row]), int(predicted(probabilities[None])[0])
    return Wrong(row, names[label], names[guess], f"{probabilities[guess]:.4f} against {probabilities[label]:.4f}")


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return the label of a row and the probability of every class, each the exact value of its 32-bit float."""
    names, row = space["labels"], judged.probabilities[index]
    best = names[int(predicted(row[None])[0])]
    return {"label": best, "probabilities": dict(zip(names, row.tolist(), strict=True))}
