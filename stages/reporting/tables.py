"""Tables of metrics/, read as columns."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.errors import InputError

Table = dict[str, list[Any]]  # column -> its cells, numbers or texts


@dataclass(frozen=True)
class Shape:
    """The columns that are read of a file: those of numbers, in which an empty cell is NaN, and those of words."""

    numbers: Sequence[str]
    words: Sequence[str] = ()


STEPS = "metrics/finetune/steps.tsv"
TRACE = "metrics/finetune/trace.tsv"
VALIDATION = "metrics/finetune/validation.tsv"
CONFUSION = "metrics/evaluate/confusion.tsv"
RELIABILITY = "metrics/evaluate/reliability.tsv"
PLOTS = {
    STEPS: Shape(("step", "loss", "lr")),
    VALIDATION: Shape(("step", "loss", "accuracy", "macro_f1")),
    CONFUSION: Shape(("examples", "share", "row", "column"), ("actual", "predicted")),
    RELIABILITY: Shape(("confidence", "accuracy", "examples")),
}
TRACE_SHAPE = Shape((), ("chain",))
WORST = "data/predictions/worst.tsv"
WORST_SHAPE = Shape(("confidence", "label_probability"), ("id", "label", "prediction", "text"))


def parse(content: str, name: str, shape: Shape) -> Table:
    """Return the columns of a TSV file named `name`. Raises InputError with its line for what is not as written."""
    rows = csv.reader(io.StringIO(content, newline=""), delimiter="\t")
    header = next(rows, [])
    if missing := [column for column in (*shape.words, *shape.numbers) if column not in header]:
        raise InputError(f"{name}: no column {', '.join(missing)}: run dvc repro")
    table: Table = {column: [] for column in (*shape.words, *shape.numbers)}
    for row in rows:
        if len(row) != len(header):
            raise InputError(f"{name}, line {rows.line_num}: {len(row)} cells, wanted {len(header)}: run dvc repro")
        cells = dict(zip(header, row, strict=True))
        for column in shape.words:
            table[column].append(cells[column])
        for column in shape.numbers:
            table[column].append(_number(cells[column], f"{name}, line {rows.line_num}, column {column}"))
    return table


def _number(cell: str, where: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        raise InputError(f"{where}: found {cell[:40]!r}, wanted a number: run dvc repro") from None
