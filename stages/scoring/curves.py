"""ROC and precision-recall curves as plots read them: few points however many the rows.

With two classes there is one curve, that of the second label. With more, each class stands against the rest: the
LARGEST classes have curves of their own; the macro average is the mean of the curves of all classes that have one, at
each abscissa, so that the area below it is the mean of their areas; the micro average takes every (row, class) pair
for one case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from stages.scoring.classification import Floats, Labels

LARGEST = 8  # classes with curves of their own: with the averages, as many as colours that the eye keeps apart
POINTS = 120  # at most, of one curve
MACRO, MICRO = "macro average", "micro average"

Hits = NDArray[np.bool_]  # (N,): whether a row is of the class; or of each, (N, C)
Line = tuple[NDArray[np.float64], NDArray[np.float64]]  # abscissas, ascending, and ordinates: (P,) each
Row = tuple[str, float, float, float]  # curve, abscissa, ordinate, area below the curve


@dataclass(frozen=True)
class _Kind:
    line: Callable[[Hits, Floats], Line]
    area: Callable[[Hits, Floats], float | None]
    mean: Callable[[Sequence[Line]], Line]


def roc_area(hits: Hits, scores: Floats) -> float | None:
    """Return the area below the ROC curve of `scores` (N,), or None unless there are both hits and others."""
    return float(roc_auc_score(hits, scores)) if 0 < hits.sum() < len(hits) else None


def average_precision(hits: Hits, scores: Floats) -> float | None:
    """Return the area below the stepwise precision-recall curve of `scores` (N,), or None if there are no hits."""
    return float(average_precision_score(hits, scores)) if hits.any() else None


def roc(labels: Labels | Hits, probabilities: Floats, names: Sequence[str]) -> list[Row]:
    """Return (curve, false positive rate, true positive rate, area) rows. probabilities (N, C).

    labels (N,) of which a row has one, or (N, C): whether it has each.
    """
    return _rows(_Kind(_roc_line, roc_area, _mean_roc), labels, probabilities, names)


def precision_recall(labels: Labels | Hits, probabilities: Floats, names: Sequence[str]) -> list[Row]:
    """Return (curve, recall, precision, average precision) rows; labels and probabilities are as those of `roc`.

    Each curve is a step function: up to a recall, the precision is that of the first point that reaches it.
    """
    return _rows(_Kind(_precision_recall_line, average_precision, _mean_steps), labels, probabilities, names)


def thin(line: Line, limit: int = POINTS) -> Line:
    """Return at most `limit` of the points of `line`, evenly spread along its length, the first and last among them."""
    xs, ys = line
    if len(xs) <= limit:
        return line
    travelled = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(xs)) + np.abs(np.diff(ys)))])
    kept = np.searchsorted(travelled, np.linspace(0.0, travelled[-1], limit - 1))
    kept = np.unique(np.append(kept, len(xs) - 1))
    return xs[kept], ys[kept]


def _rows(kind: _Kind, labels: Labels | Hits, probabilities: Floats, names: Sequence[str]) -> list[Row]:
    classes, one = len(names), labels.ndim == 1
    whole: Hits = labels[:, None] == np.arange(classes) if one else labels.astype(np.bool_)
    found: dict[int, tuple[int, Line, float]] = {}  # class: examples, curve, area
    for c in [1] if one and classes == 2 else range(classes):
        hits, scores = whole[:, c], probabilities[:, c]
        area = kind.area(hits, scores)
        if area is not None:
            found[c] = (int(hits.sum()), kind.line(hits, scores), area)
    drawn: list[tuple[str, Line, float]] = []
    if classes > 2 and found:
        mean = kind.mean([line for _, line, _ in found.values()])
        drawn.append((MACRO, mean, float(np.mean([area for _, _, area in found.values()]))))
        hits, scores = whole.ravel(), probabilities.ravel()
        drawn.append((MICRO, kind.line(hits, scores), kind.area(hits, scores) or 0.0))
    largest = sorted(found, key=lambda c: (-found[c][0], c))[:LARGEST]
    drawn += [(names[c], *found[c][1:]) for c in largest]
    rows = []
    for name, line, area in drawn:
        xs, ys = thin(line)
        rows += [(name, x, y, area) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
    return rows


def _roc_line(hits: Hits, scores: Floats) -> Line:
    false_rate, true_rate, _ = roc_curve(hits, scores)
    return false_rate, true_rate


def _precision_recall_line(hits: Hits, scores: Floats) -> Line:
    precision, recall, _ = precision_recall_curve(hits, scores)
    once, first = np.unique(recall[::-1], return_index=True)  # what lies below the first point of a recall is no step
    return once, precision[::-1][first]


def _grid(lines: Sequence[Line]) -> NDArray[np.float64]:
    return np.unique(np.concatenate([xs for xs, _ in lines]))


def _mean_roc(lines: Sequence[Line]) -> Line:
    """Average piecewise linear curves that may rise vertically: each abscissa has a lower and an upper ordinate."""
    grid = _grid(lines)
    lower = np.mean([np.interp(-grid, -xs[::-1], ys[::-1]) for xs, ys in lines], axis=0)
    upper = np.mean([np.interp(grid, xs, ys) for xs, ys in lines], axis=0)
    return np.repeat(grid, 2), np.column_stack([lower, upper]).ravel()


def _mean_steps(lines: Sequence[Line]) -> Line:
    grid = _grid(lines)
    return grid, np.mean([ys[np.searchsorted(xs, grid, side="left")] for xs, ys in lines], axis=0)
