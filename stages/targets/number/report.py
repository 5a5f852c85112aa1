"""What evaluate tells of predicted numbers, and what predict says of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import rankdata

from stages.interfaces import Value
from stages.scoring.metric import Metric, counted, mean
from stages.scoring.mixing import of_numbers as mixed
from stages.scoring.report import BARS, LINES, Options, Report, Wrong, report_of
from stages.targets.number.metrics import PEARSON, RMSE, Floats, Judged, moments, pearson_of, squares

__all__ = ["METRICS", "mixed", "render", "report", "table", "worst", "wrong"]

STRIPES = 20  # of the residuals' histogram, and of the numbers in the curve


def _spearman(judged: Judged) -> float:
    """Return Spearman's correlation: Pearson's of the ranks, equal numbers sharing theirs."""
    ranks = Judged(rankdata(judged.truth), rankdata(judged.guess))
    return float(pearson_of(moments(ranks).sum(axis=0)))


def _absolute(judged: Judged) -> Floats:
    return counted(np.abs(judged.guess.astype(np.float64) - judged.truth))


METRICS = {
    "pearson": PEARSON,
    "spearman": Metric("higher", _spearman, margin=0.01, worst=-1.0),
    "rmse": RMSE,
    "mae": Metric("lower", mean, _absolute),
}


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N rows, N at least 1."""
    error, spread = (
        float(of[:, 0].sum()) for of in (squares(judged), counted((judged.truth - judged.truth.mean()) ** 2))
    )
    more: dict[str, Any] = {"r2": 1 - error / spread if spread > 0 else None}
    notes = []
    for side, numbers in (("data", judged.truth), ("model", judged.guess)):
        if np.ptp(numbers) == 0:
            notes.append(f"all numbers of the {side} are the same: correlations are undefined")
            more |= {"pearson": None, "spearman": None}
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "lines/actual_by_predicted.tsv": (LINES, _curve(judged)),
        "lines/residual_by_actual.tsv": (LINES, _residuals(judged)),
        "bars/examples_by_residual.tsv": (BARS, _histogram(judged)),
    }
    return report_of(judged, METRICS, options, more, notes, tables)


def _stripes(values: Floats) -> list[NDArray[np.int64]]:
    """Return the rows in at most STRIPES groups of like size, from low to high `values` (N,)."""
    order = np.argsort(values, kind="stable")
    return [part for part in np.array_split(order, min(STRIPES, len(order))) if len(part)]


def _curve(judged: Judged) -> list[tuple[str, float, float, None]]:
    """Return the mean of the data's numbers by that of the model's, in stripes of as many rows."""
    guess = judged.guess.astype(np.float64)
    rows = [(guess[part].mean(), judged.truth[part].mean()) for part in _stripes(guess)]
    low, high = float(guess.min()), float(guess.max())
    own = [("this model", float(x), float(y), None) for x, y in rows]
    return [*own, ("as predicted", low, low, None), ("as predicted", high, high, None)]


def _residuals(judged: Judged) -> list[tuple[str, float, float, None]]:
    """Return the quartiles of the residuals by the data's number, in stripes of as many rows."""
    residuals = judged.guess.astype(np.float64) - judged.truth
    rows = []
    for name, share in (("median", 0.5), ("a quarter below", 0.25), ("a quarter above", 0.75)):
        for part in _stripes(judged.truth):
            rows.append((name, float(judged.truth[part].mean()), float(np.quantile(residuals[part], share)), None))
    return rows


def _histogram(judged: Judged) -> list[tuple[float, int]]:
    """Return (middle of a stripe of residuals, examples in it)."""
    counts, edges = np.histogram(judged.guess.astype(np.float64) - judged.truth, bins=STRIPES)
    return [(float((low + high) / 2), int(n)) for n, low, high in zip(counts, edges, edges[1:], strict=False)]


def table(ids: NDArray[Any], judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, the number and the one predicted."""
    columns = {"id": pa.array(ids, pa.int64()), "number": pa.array(judged.truth, pa.float64())}
    return pa.table({**columns, "prediction": pa.array(judged.guess, pa.float32())})


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` rows that are not exact: the furthest off first, equals in the order of rows."""
    gaps = np.abs(judged.guess.astype(np.float64) - judged.truth)
    return [row for row in np.argsort(-gaps, kind="stable")[:limit].tolist() if gaps[row] > 0]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return the number of a row, that of the model, and how far it is off."""
    truth, guess = float(judged.truth[row]), float(judged.guess[row])
    return Wrong(row, f"{truth:g}", f"{guess:.4f}", f"{guess - truth:+.4f}")


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return the number of a row, the exact value of its 32-bit float."""
    return {"number": float(judged.guess[index])}
