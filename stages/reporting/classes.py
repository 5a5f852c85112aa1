"""The scores of each class, from the confusion matrix: Git holds it, unlike data/predictions/scores.json."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from stages.reporting.tables import Table


@dataclass(frozen=True)
class ClassScores:
    """One class; None where a score would divide by zero."""

    label: str
    examples: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None


def class_scores(matrix: Table) -> list[ClassScores]:
    """Return the classes of a matrix, the one with the most examples first."""
    actual, predicted, right = (defaultdict[str, float](float) for _ in range(3))
    order: dict[str, float] = {}
    whole: set[str] = set()  # those that can be right: what stands for none of them has no such cell
    columns = (matrix[name] for name in ("actual", "predicted", "examples", "row"))
    for label, guess, examples, row in zip(*columns, strict=True):
        actual[label] += examples
        predicted[guess] += examples
        right[label] += examples if label == guess else 0
        order[label] = row
        whole |= {label} & {guess}
    return [
        ClassScores(
            label, int(actual[label]), int(predicted[label]),
            precision=right[label] / predicted[label] if predicted[label] else None,
            recall=right[label] / actual[label] if actual[label] else None,
            f1=2 * right[label] / (actual[label] + predicted[label]) if actual[label] else None,
        )
        for label in sorted(order, key=order.__getitem__) if label in whole
    ]  # fmt: skip
