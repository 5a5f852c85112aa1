"""All that is said of one set of predictions: the scores, the report in text, and the plots' data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.shown import plotted, terminal
from stages.scoring.bootstrap import intervals
from stages.scoring.calibration import reliability
from stages.scoring.curves import MACRO, MICRO, precision_recall, roc
from stages.scoring.headline import Floats, Labels
from stages.scoring.scores import CONFUSION, class_table, confusion, scores

DECIMALS = 6  # more than a test set resolves, and few enough that processors seldom disagree in them


@dataclass(frozen=True)
class Report:
    """Scores by name, DETAILS among them, the report to be read, and {file name: (header, rows)} of the plots."""

    scores: dict[str, Any]
    text: str
    tables: dict[str, tuple[Sequence[str], list[Any]]]


def report(
    labels: Labels, probabilities: Floats, names: Sequence[str], *, bins: int, resamples: int, seed: int
) -> Report:
    """Score `probabilities` (N, C) by `labels` (N,), N at least 1; `names` are those of the C classes.

    `bins` are those of the calibration error; `resamples` and their `seed` are those of the intervals.
    """
    bars = reliability(labels, probabilities, bins)
    found = scores(labels, probabilities, names, bars)
    found["intervals"] = {
        name: list(ends)
        for name, ends in intervals(labels, probabilities, resamples, seed).items()
        if found[name] is not None
    }
    drawn = plotted(names, (MACRO, MICRO))
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "confusion.tsv": (CONFUSION, confusion(labels, probabilities, drawn)),
        "roc.tsv": (("curve", "fpr", "tpr", "area"), roc(labels, probabilities, drawn)),
        "precision_recall.tsv": (
            ("curve", "recall", "precision", "area"),
            precision_recall(labels, probabilities, drawn),
        ),
        "reliability.tsv": (
            ("low", "high", "confidence", "accuracy", "examples"),
            [(b.low, b.high, b.confidence, b.accuracy, b.examples) for b in bars],
        ),
    }
    return Report(
        rounded(found),
        f"{headline(found)}\n{class_table(labels, probabilities, names)}",
        {name: (header, rounded(rows)) for name, (header, rows) in tables.items()},
    )


def headline(found: Mapping[str, Any]) -> str:
    """Return the flat scores of `scores`, one a line, with their intervals where there are such, and the notes."""
    lines = [f"{found['examples']} examples; 95 % intervals in brackets"]
    for name, value in found.items():
        if isinstance(value, float):
            ends = found["intervals"].get(name)
            lines.append(f"{name:18}{value:.4f}" + (f"  [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else ""))
    return "\n".join([*lines, *map(terminal, found["notes"])]) + "\n"


def rounded(value: Any) -> Any:
    """Return `value` with every float in it rounded to DECIMALS; tuples become lists."""
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
