"""What evaluate tells of a classifier, and what predict says of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stages.interfaces import Value
from stages.scoring.class_report import METRICS, render, report_of_classes, table, worst, wrong
from stages.scoring.classification import Judged
from stages.scoring.mixing import of_classes as mixed
from stages.scoring.report import Options, Report

__all__ = ["METRICS", "mixed", "render", "report", "table", "worst", "wrong"]


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N rows, N at least 1."""
    return report_of_classes(judged, METRICS, space["labels"], options)
