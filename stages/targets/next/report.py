"""What evaluate tells of tokens that follow, and what predict says of a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.interfaces import Value
from stages.scoring.report import BARS, Options, Report, Wrong, report_of
from stages.targets.next.metrics import ACCURACY, LOSS, PERPLEXITY, Judged

METRICS = {"perplexity": PERPLEXITY, "accuracy": ACCURACY, "log_loss": LOSS}
STRIPES = 20  # of the histogram


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N texts, N at least 1."""
    own = judged.perplexities()
    counts, edges = np.histogram(np.log10(own[np.isfinite(own)]), bins=STRIPES)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    bars = list(zip(middles, counts.tolist(), strict=True))
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "bars/texts_by_decimal_logarithm_of_perplexity.tsv": (BARS, bars)
    }
    return report_of(judged, METRICS, options, {}, [], tables)


def table(ids: NDArray[Any], judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, the perplexity as `prediction`, the tokens of each text, and how many were the most probable ones."""
    columns = {"id": pa.array(ids, pa.int64()), "prediction": pa.array(judged.perplexities(), pa.float64())}
    counts = {name: pa.array(of.astype(np.int64)) for name, of in (("tokens", judged.tokens), ("found", judged.hits))}
    return pa.table({**columns, **counts})


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` texts of which a token was not foreseen: the largest perplexity first."""
    order = np.argsort(-np.nan_to_num(judged.perplexities()), kind="stable")
    return [row for row in order.tolist() if judged.hits[row] < judged.tokens[row]][:limit]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return the tokens of a text, how many were foreseen, and its perplexity."""
    told = f"perplexity {judged.perplexities()[row]:.4g}"
    return Wrong(row, f"{judged.tokens[row]:g} tokens", f"{judged.hits[row]:g} found", told)


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return the perplexity of a text, null for one without tokens, and the number of its tokens."""
    count = int(judged.tokens[index])
    return {"perplexity": float(judged.perplexities()[index]) if count else None, "tokens": count}
