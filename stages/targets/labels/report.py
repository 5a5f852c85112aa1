"""What evaluate tells of several labels, and what predict says of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.core.shown import cut, plotted, terminal
from stages.interfaces import Value
from stages.scoring.calibration import drawn, expected_calibration_error, reliability
from stages.scoring.classification import Tally
from stages.scoring.curves import MACRO, MICRO, precision_recall
from stages.scoring.metric import Metric, counted, mean
from stages.scoring.mixing import of_labels as mixed
from stages.scoring.report import BARS, LINES, Options, Report, Wrong, report_of
from stages.targets.labels.metrics import LOSS, MACRO_F1, MICRO_F1, SUBSET, Floats, Judged, tallied

__all__ = ["METRICS", "mixed", "render", "report", "table", "worst", "wrong"]

WIDEST = 60  # characters of a label's name in the report


def ranking(judged: Judged) -> Floats:
    """Return the label-ranking average precision of each row, and one, (N, 2).

    Tsoumakas et al. (2010): of each label that a row has, the share of its labels among those found at least as
    probable; the mean over them. 1 for a row with no label, or with all, as in scikit-learn.
    """
    truth, probabilities = judged.truth, judged.probabilities
    values = np.ones(len(truth))
    for row in np.flatnonzero(truth.any(axis=1) & ~truth.all(axis=1)):
        scores, own = probabilities[row], truth[row]
        at_least = scores[None, :] >= scores[own][:, None]  # (own labels, L)
        values[row] = ((at_least & own).sum(axis=1) / at_least.sum(axis=1)).mean()
    return counted(values)


def hamming(judged: Judged) -> Floats:
    """Return the share of labels that are wrong in each row, and one, (N, 2)."""
    return counted((judged.truth != judged.guess).mean(axis=1))


METRICS = {
    "micro_f1": MICRO_F1,
    "macro_f1": MACRO_F1,
    "subset_accuracy": SUBSET,
    "ranking_average_precision": Metric("higher", mean, ranking, margin=0.01, worst=0.0),
    "hamming_loss": Metric("lower", mean, hamming, worst=1.0),
    "log_loss": LOSS,
}


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N rows, N at least 1."""
    names, notes = space["labels"], []
    tally = Tally.of(tallied(judged).sum(axis=0))
    rows = [
        {
            "label": name, "examples": int(actual), "predicted": int(predicted), "threshold": float(threshold),
            "precision": float(hits / predicted) if predicted else None,
            "recall": float(hits / actual) if actual else None,
            "f1": float(f1) if actual else None,
        }
        for name, hits, actual, predicted, threshold, f1 in zip(
            names, tally.hits, tally.actual, tally.predicted, judged.threshold, tally.f1(), strict=True
        )
    ]  # fmt: skip
    more: dict[str, Any] = {"per_label": rows}
    if not judged.truth.any():
        notes.append("no test example has a label: F1 is undefined")
        more |= {"micro_f1": None, "macro_f1": None}
    absent = [row["label"] for row in rows if not row["examples"]]
    if absent and judged.truth.any():
        notes.append(f"no test examples, left out of the macro average: {', '.join(absent)}")
    sure = np.maximum(judged.probabilities, 1 - judged.probabilities).ravel().astype(np.float64)
    right = ((judged.probabilities >= 0.5) == judged.truth).ravel()
    bars = reliability(sure, right, options.bins)
    more["ece"] = expected_calibration_error(bars)
    shown = plotted(names, (MACRO, MICRO))
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "lines/precision_by_recall.tsv": (LINES, precision_recall(judged.truth, judged.probabilities, shown)),
        "lines/accuracy_by_confidence.tsv": (LINES, drawn(bars)),
        "bars/f1_by_label.tsv": (BARS, [(n, row["f1"]) for n, row in zip(shown, rows, strict=True) if row["examples"]]),
    }
    return report_of(judged, METRICS, options, more, notes, tables, _text(rows))


def _text(rows: Sequence[Mapping[str, Any]]) -> str:
    names = [cut(terminal(row["label"]), WIDEST) for row in rows]
    width = max(map(len, names))
    lines = [f"{'':{width}}  precision    recall        f1  examples  threshold"]
    for name, row in zip(names, rows, strict=True):
        numbers = ("–" if row[key] is None else f"{row[key]:.4f}" for key in ("precision", "recall", "f1"))
        cells = " ".join(f"{number:>9}" for number in numbers)
        lines.append(f"{name:{width}}  {cells} {row['examples']:>9} {row['threshold']:>10.4f}")
    return "\n".join(lines) + "\n"


def table(ids: NDArray[Any], judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, the labels, those predicted, and a float32 column `p_NAME` for each label."""
    names = space["labels"]
    columns: dict[str, Any] = {"id": pa.array(ids, pa.int64())}
    for column, held in (("labels", judged.truth), ("prediction", judged.guess)):
        columns[column] = pa.array([_named(row, names) for row in held], pa.list_(pa.string()))
    columns |= {f"p_{name}": pa.array(judged.probabilities[:, c], pa.float32()) for c, name in enumerate(names)}
    return pa.table(columns)


def _named(row: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    return [names[c] for c in np.flatnonzero(row).tolist()]


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` rows that are wrong: those with the most wrong labels first, then the largest loss."""
    wrong_labels = (judged.truth != judged.guess).sum(axis=1)
    order = np.lexsort((-LOSS.counts(judged)[:, 0], -wrong_labels))  # type: ignore[misc]
    return [int(row) for row in order[:limit] if wrong_labels[row]]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return the labels of a row, those of the model, and which differ, with their probabilities."""
    names = space["labels"]
    differ = np.flatnonzero(judged.truth[row] != judged.guess[row])
    detail = ", ".join(f"{names[c]} {judged.probabilities[row, c]:.4f}" for c in differ)
    actual, guess = (", ".join(_named(of[row], names)) or "–" for of in (judged.truth, judged.guess))
    return Wrong(row, actual, guess, detail)


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return the labels of a row and the probability of each, the exact value of its 32-bit float."""
    names = space["labels"]
    probabilities = dict(zip(names, judged.probabilities[index].tolist(), strict=True))
    return {"labels": _named(judged.guess[index], names), "probabilities": probabilities}
