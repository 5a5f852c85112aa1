"""How far two results lie apart in numbers: the training's steps, weights, predictions, scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file

from stages.core.files import read_json
from stages.verification import divergence, states
from stages.verification.records import FirstStep, Predictions, Score, Weights

LARGEST = float(np.finfo(np.float32).max)


def first_step(reference: Path, derived: Path) -> FirstStep | None:
    """Return where two traces (metrics/finetune/trace.tsv) part; None when they hold the same lines."""
    parting = divergence.compare_traces(*map(divergence.read_trace, (reference, derived)))
    if parting is None:
        return None
    column = next(iter(parting.columns), "step")
    sides = ["no such step" if cells is None else cells[column] for cells in (parting.a, parting.b)]
    return FirstStep(step=parting.step, column=column, reference=sides[0], derived=sides[1])


def weights(reference: Path, derived: Path) -> Weights | None:
    """Compare two safetensors files; None when their tensors have other names, shapes or types."""
    old, new = load_file(reference), load_file(derived)
    if {n: (t.shape, t.dtype) for n, t in old.items()} != {n: (t.shape, t.dtype) for n, t in new.items()}:
        return None
    apart = [n for n in sorted(old, key=states.model_order) if old[n].tobytes() != new[n].tobytes()]
    gaps = {n: _largest(old[n], new[n]) for n in apart}
    furthest = max(apart, key=lambda name: gaps[name], default=None)
    ulp = 0 if furthest is None else _ulps_of_largest(old[furthest], new[furthest])
    return Weights(
        tensors=len(old), equal=len(old) - len(apart), largest=max(gaps.values(), default=0.0), tensor=furthest,
        first_tensor=next(iter(apart), None), ulp=ulp,
    )  # fmt: skip


def _gaps(old: Any, new: Any) -> Any:
    """Return the absolute differences; that of a number to what is none counts as the largest float32."""
    return np.nan_to_num(np.abs(old.astype(np.float64) - new.astype(np.float64)), nan=LARGEST, posinf=LARGEST)


def _largest(old: Any, new: Any) -> float:
    return float(_gaps(old, new).max())


def _ulps_of_largest(old: Any, new: Any) -> int:
    """Return the units in the last place between the two that lie furthest apart.

    Not the most of all: between 1e-20 and -1e-20 lie half of all numbers, and they are as good as equal.
    """
    return int(states.ulps(old, new).flat[int(_gaps(old, new).argmax())])


def predictions(reference: Path, derived: Path) -> Predictions | None:
    """Compare two tables of predictions (data/predictions/test.parquet); None when their rows are not the same rows.

    Columns of numbers with a fraction, and lists of such, lie so far apart; a row agrees when all others are equal.
    """
    old, new = (pq.read_table(path) for path in (reference, derived))
    if old.schema != new.schema or not old.column("id").equals(new.column("id")):
        return None
    agreeing, gaps = np.ones(old.num_rows, dtype=bool), [0.0]
    for name in old.column_names:
        ours, theirs = (table.column(name).combine_chunks() for table in (old, new))
        numbers = [column.flatten() if pa.types.is_list(column.type) else column for column in (ours, theirs)]
        if pa.types.is_floating(numbers[0].type):
            if len(numbers[0]) != len(numbers[1]):
                return None
            gaps.append(float(np.max(np.abs(numbers[0].to_numpy() - numbers[1].to_numpy()), initial=0.0)))
        else:
            pairs = zip(ours.to_pylist(), theirs.to_pylist(), strict=True)
            agreeing &= np.array([one == other for one, other in pairs], dtype=bool)
    return Predictions(rows=old.num_rows, agreeing=int(agreeing.sum()), largest=round(max(gaps), 9))


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
