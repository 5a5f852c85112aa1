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
from stages.targets.next.written import Written

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
    if isinstance(judged, Written):
        return report_of(judged, {**judged.metrics, **METRICS}, options, {}, judged.notes, tables)
    return report_of(judged, METRICS, options, {}, [], tables)


def table(ids: NDArray[Any], judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, the perplexity, the tokens of each text, and how many were the most probable ones.

    The perplexity is the `prediction`; where responses were written they are, beside those that are wanted.
    """
    perplexities = pa.array(judged.perplexities(), pa.float64())
    columns: dict[str, Any] = {"id": pa.array(ids, pa.int64()), "prediction": perplexities}
    if isinstance(judged, Written):
        texts = {"wanted": pa.array(judged.wanted), "prediction": pa.array(judged.guesses)}
        columns |= {**texts, "match": pa.array(judged.matches > 0), "perplexity": perplexities}
    counts = {name: pa.array(of.astype(np.int64)) for name, of in (("tokens", judged.tokens), ("found", judged.hits))}
    return pa.table({**columns, **counts})


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` texts of which a token was not foreseen, or whose response is another than the wanted one.

    The largest perplexity comes first.
    """
    order = np.argsort(-np.nan_to_num(judged.perplexities()), kind="stable")
    if isinstance(judged, Written):
        return [row for row in order.tolist() if not judged.matches[row]][:limit]
    return [row for row in order.tolist() if judged.hits[row] < judged.tokens[row]][:limit]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return the tokens of a text and how many were foreseen, or both responses; and its perplexity."""
    told = f"perplexity {judged.perplexities()[row]:.4g}"
    if isinstance(judged, Written):
        return Wrong(row, judged.wanted[row], judged.guesses[row], told)
    return Wrong(row, f"{judged.tokens[row]:g} tokens", f"{judged.hits[row]:g} found", told)


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return the perplexity of a text, null for one without tokens, and the number of its tokens."""
    count = int(judged.tokens[index])
    return {"perplexity": float(judged.perplexities()[index]) if count else None, "tokens": count}
