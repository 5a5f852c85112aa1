"""What evaluate tells of relations, and what predict says of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from stages.interfaces import Value
from stages.scoring import class_report
from stages.scoring.class_report import render, report_of_classes, table, worst, wrong
from stages.scoring.classification import Tally
from stages.scoring.mixing import of_classes as mixed
from stages.scoring.report import Options, Report, rounded
from stages.targets.relations.metrics import F1, Judged, names_of, tallied

__all__ = ["METRICS", "mixed", "render", "report", "table", "worst", "wrong"]

METRICS = {"relation_f1": F1, **class_report.METRICS}


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N rows, N at least 1."""
    found = report_of_classes(judged, METRICS, space["labels"], options)
    names, tally = names_of(space), Tally.of(np.asarray(tallied(judged).sum(axis=0)))
    rows = list(zip(names, tally.f1().tolist(), tally.actual.tolist(), strict=True))
    told = [{"relation": name, "f1": f1, "examples": int(size)} for name, f1, size in rows]
    lines = [f"{name:{max(map(len, names))}}  F1 {f1:.4f}  {int(size):>6} examples" for name, f1, size in rows]
    return replace(
        found,
        scores=found.scores | {"per_relation": rounded(told)},
        text=f"{found.text}\n" + "\n".join(lines) + "\n",
    )
