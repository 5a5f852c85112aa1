"""How far two results lie apart in numbers: the training's steps, weights, predictions, scores."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file

from stages.core.files import read_json
from stages.verification.records import FirstStep, Predictions, Score, Weights


def first_step(reference: Path, derived: Path) -> FirstStep | None:
    """Return where two traces (metrics/finetune/trace.tsv) part; None when they hold the same lines."""
    sides = [
        list(csv.DictReader(p.read_text(encoding="utf-8").splitlines(), delimiter="\t")) for p in (reference, derived)
    ]
    for number, (old, new) in enumerate(itertools.zip_longest(*sides, fillvalue={"step": "no such step"}), start=1):
        for column in ("step", "loss", "grad_norm", "gradient", "chain"):
            if old.get(column) != new.get(column):
                return FirstStep(
                    step=number, column=column, reference=str(old.get(column)), derived=str(new.get(column))
                )
    return None


def weights(reference: Path, derived: Path) -> Weights | None:
    """Compare two safetensors files; None when they hold the same bytes, or tensors of other names and shapes."""
    old, new = load_file(reference), load_file(derived)
    if {n: (t.shape, t.dtype) for n, t in old.items()} != {n: (t.shape, t.dtype) for n, t in new.items()}:
        return None
    apart = [name for name in sorted(old) if old[name].tobytes() != new[name].tobytes()]
    if not apart:
        return None
    gaps = {n: float(np.max(np.abs(old[n].astype(np.float64) - new[n].astype(np.float64)))) for n in apart}
    furthest = max(apart, key=lambda name: gaps[name])
    return Weights(
        tensors=len(old), equal=len(old) - len(apart), largest=gaps[furthest], tensor=furthest, first_tensor=apart[0],
        ulp=max(int(np.max(np.abs(_line(old[n]) - _line(new[n])))) for n in apart),
    )  # fmt: skip


def _line(values: Any) -> Any:
    """Return float32 numbers as int64 on a line on which neighbours are 1 apart, -0 and +0 in one place."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def predictions(reference: Path, derived: Path) -> Predictions | None:
    """Compare two tables of predictions (data/predictions/test.parquet); None when their rows are not the same rows."""
    old, new = (pq.read_table(path) for path in (reference, derived))
    if old.column_names != new.column_names or not old.column("id").equals(new.column("id")):
        return None
    agreeing = sum(a == b for a, b in zip(*(t.column("prediction").to_pylist() for t in (old, new)), strict=True))
    gaps = [
        float(np.max(np.abs(old.column(name).to_numpy() - new.column(name).to_numpy()), initial=0.0))
        for name in old.column_names
        if name.startswith("p_")
    ]
    return Predictions(rows=old.num_rows, agreeing=agreeing, largest=round(max(gaps, default=0.0), 9))


def scores(path: Path) -> dict[str, float | None]:
    """Return the scores at the top of metrics/evaluate.json."""
    found: dict[str, Any] = read_json(path)
    return {name: value for name, value in found.items() if value is None or isinstance(value, float)}


def compared(reference: Path, derived: Path) -> dict[str, Score]:
    """Return each score of either run beside that of the other."""
    old, new = scores(reference), scores(derived)
    return {n: Score(reference=old.get(n), derived=new.get(n)) for n in sorted(old.keys() | new.keys())}


def finite(found: Mapping[str, float | None], wanted: Iterable[str]) -> dict[str, float] | None:
    """Return the scores that are `wanted`; None when one is missing or undefined: that run has no result."""
    values = {name: value for name in wanted if (value := found.get(name)) is not None and math.isfinite(value)}
    return values if values.keys() == set(wanted) else None
