"""All that is said of one set of predictions: the scores, the report in text, the plots' data, what went wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.shown import terminal
from stages.scoring.bootstrap import intervals
from stages.scoring.metric import Metric

LINES = ("curve", "x", "y", "area")  # columns of the plots, by form
BARS = ("x", "y")
MATRIX = ("actual", "predicted", "examples", "share", "row", "column")
DECIMALS = 6  # more than a test set resolves, and few enough that processors seldom disagree in them


@dataclass(frozen=True)
class Options:
    """How the examples are scored."""

    bins: int  # of confidence, for the calibration error
    resamples: int  # of the intervals
    seed: int  # of the resamples


@dataclass(frozen=True)
class Report:
    """What evaluate writes of the scores."""

    scores: dict[str, Any]  # by name: those of `metrics/evaluate.json` are numbers, `intervals`, `metrics` and `notes`
    text: str  # to be read
    tables: dict[str, tuple[Sequence[str], list[Any]]]  # {file below metrics/evaluate/: (header, rows)}


@dataclass(frozen=True)
class Wrong:
    """An example that the model got wrong."""

    row: int
    actual: str
    predicted: str
    detail: str  # how sure the model was, or how far off
    beside: Collection[str] | None = None  # fields of the example that are told beside it; None: all


def headline(found: Mapping[str, Any]) -> str:
    """Return the flat scores, one a line, with their intervals where there are such, and the notes."""
    width = max(18, 1 + max(len(name) for name, value in found.items() if isinstance(value, float)))
    lines = [f"{found['examples']} examples; 95 % intervals in brackets"]
    for name, value in found.items():
        if isinstance(value, float):
            ends = found["intervals"].get(name)
            lines.append(f"{name:{width}}{value:.4f}" + (f"  [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else ""))
    return "\n".join([*lines, *map(terminal, found["notes"])]) + "\n"


def report_of(
    judged: Any, metrics: Mapping[str, Metric], options: Options, more: Mapping[str, Any], notes: Sequence[str],
    tables: Mapping[str, tuple[Sequence[str], list[Any]]], text: str = "",
) -> Report:  # fmt: skip
    """Return the report of N examples `judged`, N at least 1: their `metrics`, the main one first, with intervals.

    `more` are scores that are no such metric, and those of them that these examples leave undefined, as None.
    """
    found = {name: metric.compute(judged) for name, metric in metrics.items() if name not in more} | dict(more)
    found["examples"] = len(judged)
    ends = intervals(judged, metrics, options.resamples, options.seed)
    found["intervals"] = {name: list(pair) for name, pair in ends.items() if found[name] is not None}
    found["metrics"], found["notes"] = judged_by(metrics), list(notes)
    rows = {name: (header, rounded(cells)) for name, (header, cells) in tables.items()}
    return Report(rounded(found), f"{headline(found)}\n{text}" if text else headline(found), rows)


def judged_by(metrics: Mapping[str, Metric]) -> list[list[Any]]:
    """Return [name, better, margin, worst] of each, the main one first: by these others compare two runs."""
    return [[name, metric.better, metric.margin, metric.worst] for name, metric in metrics.items()]


def rounded(value: Any) -> Any:
    """Return `value` with every float in it rounded to DECIMALS; tuples become lists."""
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
