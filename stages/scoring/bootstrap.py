"""95 % intervals by the bootstrap: how far the scores would move on another test set of the same size.

Percentile intervals (Efron and Tibshirani 1993, ch. 13). Examples are drawn from the whole test set, not within
classes: another test set would have other class counts too, and a resample within classes would leave a class of one
example no spread at all. The price is that a rare class may be missing from a resample; the averages over classes then
go over the others, which is what they do for any set of rows.

The seed alone decides which examples a resample holds, so two runs scored on the same test set are compared on the same
resamples. A score that is a function of sums over examples needs nothing of a resample but how often each is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.metric import Metric

LEVEL = 0.95
ROWS_AT_ONCE = 1_000_000  # examples drawn at a time: bounds the memory (about 30 MB)


def resampled(judged: Any, metrics: Mapping[str, Metric], resamples: int, seed: int) -> dict[str, NDArray[Any]]:
    """Return each of `metrics` in every resample, (R,); `judged` are N examples, N at least 1.

    A metric without counts wants `judged.take(indices)`, the examples at `indices` in that order, some several times.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = len(judged)
    counts: dict[Callable[[Any], Any], Any] = {}
    for metric in metrics.values():
        if metric.counts is not None and metric.counts not in counts:
            counts[metric.counts] = metric.counts(judged)
    drawn: dict[str, list[NDArray[Any]]] = {name: [] for name in metrics}
    at_once = max(1, ROWS_AT_ONCE // rows)
    for start in range(0, resamples, at_once):
        chosen = generator.integers(0, rows, size=(min(at_once, resamples - start), rows))
        times = np.stack([np.bincount(sample, minlength=rows) for sample in chosen]).astype(np.float64)
        sums = {of: times @ held for of, held in counts.items()}  # (R, K)
        for name, metric in metrics.items():
            if metric.counts is None:
                drawn[name].append(np.array([metric.value(judged.take(sample)) for sample in chosen]))
            else:
                drawn[name].append(np.asarray(metric.value(sums[metric.counts])))
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def ends(values: NDArray[Any]) -> tuple[float, float]:
    """Return the (lower, upper) ends of the interval of a score that is `values` (R,) in the resamples."""
    tail = (1 - LEVEL) / 2
    lower, upper = np.quantile(values, (tail, 1 - tail)).tolist()
    return lower, upper


def intervals(judged: Any, metrics: Mapping[str, Metric], resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return the ends for each of `metrics`; see `resampled`."""
    return {name: ends(values) for name, values in resampled(judged, metrics, resamples, seed).items()}
