"""Tables of metrics/, read as columns."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from stages.core.errors import InputError

Table = dict[str, list[Any]]  # column -> its cells, numbers or texts


@dataclass(frozen=True)
class Shape:
    """The columns that are read of a file: those of words, and those of numbers, in which an empty cell is NaN.

    Of other columns there may be more: they hold numbers when `numbers` ends in …, words when `words` does.
    """

    numbers: Sequence[str]
    words: Sequence[str] = ()

    def columns(self, header: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return (those of words, those of numbers) of a file with this header."""
        named = {*self.numbers, *self.words}
        rest = [column for column in header if column not in named]
        words, numbers = ([c for c in kind if c != "…"] for kind in (self.words, self.numbers))
        return words + (rest if "…" in self.words else []), numbers + (rest if "…" in self.numbers else [])


STEPS = "metrics/finetune/steps.tsv"
TRACE = "metrics/finetune/trace.tsv"
VALIDATION = "metrics/finetune/validation.tsv"
CURVES = {STEPS: Shape(("step", "loss", "lr")), VALIDATION: Shape(("step", "epoch", "loss", "…"))}
SCORED = "metrics/evaluate"
FORMS = {  # folder of SCORED: the shape of its files
    "matrix": Shape(("examples", "share", "row", "column"), ("actual", "predicted")),
    "lines": Shape(("x", "y"), ("curve",)),
    "bars": Shape(("y",), ("x",)),
}


def form(path: str) -> str:
    """Return the form of a plot below SCORED: matrix, lines or bars; "" for any other path."""
    parts = path.removeprefix(f"{SCORED}/").split("/")
    known = path.startswith(f"{SCORED}/") and len(parts) == 2 and path.endswith(".tsv")
    return parts[0] if known and parts[0] in FORMS else ""


def of_form(paths: Iterable[str], wanted: str) -> list[str]:
    """Return those of `paths` that are plots of a form, sorted."""
    return sorted(path for path in paths if form(path) == wanted)


def shape_of(path: str) -> Shape:
    """Return the shape of a plot's file."""
    return CURVES[path] if path in CURVES else FORMS[form(path)]


def title(path: str) -> str:
    """Return what a plot's file shows, by its name: `Y_by_X.tsv` is Y by X."""
    return PurePosixPath(path).stem.replace("_", " ")


def headed(path: str) -> str:
    """Return the title of a plot's file as it begins a sentence."""
    return title(path)[:1].upper() + title(path)[1:]


def stem(path: str) -> str:
    """Return what the picture of a plot's file is called."""
    return title(path).replace(" ", "-")


def axes_of(path: str) -> tuple[str, str]:
    """Return (x, y) of a plot that is called `Y_by_X.tsv`."""
    y, _, x = title(path).partition(" by ")
    return x, y


TRACE_SHAPE = Shape((), ("chain",))
WORST = "data/predictions/worst.tsv"
WORST_SHAPE = Shape((), ("id", "actual", "predicted", "detail", "…"))


def parse(content: str, name: str, shape: Shape) -> Table:
    """Return the columns of a TSV file named `name`. Raises InputError with its line for what is not as written."""
    rows = csv.reader(io.StringIO(content, newline=""), delimiter="\t")
    header = next(rows, [])
    words, numbers = shape.columns(header)
    if missing := [column for column in (*words, *numbers) if column not in header]:
        raise InputError(f"{name}: no column {', '.join(missing)}: run dvc repro")
    table: Table = {column: [] for column in (*words, *numbers)}
    for row in rows:
        if len(row) != len(header):
            raise InputError(f"{name}, line {rows.line_num}: {len(row)} cells, wanted {len(header)}: run dvc repro")
        cells = dict(zip(header, row, strict=True))
        for column in words:
            table[column].append(cells[column])
        for column in numbers:
            table[column].append(_number(cells[column], f"{name}, line {rows.line_num}, column {column}"))
    return table


def _number(cell: str, where: str) -> float:
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        raise InputError(f"{where}: found {cell[:40]!r}, wanted a number: run dvc repro") from None
