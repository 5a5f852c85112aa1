"""What evaluate tells of hidden tokens, and what predict says of a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.interfaces import Value
from stages.scoring.calibration import drawn, expected_calibration_error, reliability
from stages.scoring.report import BARS, LINES, Options, Report, Wrong, report_of
from stages.targets.masked.metrics import ACCURACY, LOSS, PERPLEXITY, Floats, Judged, hits, losses

METRICS = {"pseudo_perplexity": PERPLEXITY, "accuracy": ACCURACY, "log_loss": LOSS}
STRIPES = 20  # of the histogram


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N texts, N at least 1."""
    bars = reliability(judged.sure, judged.hits > 0, options.bins)
    own = perplexities(judged)
    counts, edges = np.histogram(np.log10(own[np.isfinite(own)]), bins=STRIPES)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "lines/accuracy_by_confidence.tsv": (LINES, drawn(bars)),
        "bars/texts_by_decimal_logarithm_of_pseudo_perplexity.tsv": (
            BARS, list(zip(middles, counts.tolist(), strict=True))
        ),
    }  # fmt: skip
    return report_of(judged, METRICS, options, {"ece": expected_calibration_error(bars)}, [], tables)


def perplexities(judged: Judged) -> Floats:
    """Return the pseudo-perplexity of each text, (N,); NaN for one without tokens."""
    total, count = losses(judged).T
    found: Floats = np.exp(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))
    return found


def table(ids: NDArray[Any], judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, the pseudo-perplexity as `prediction`, the tokens of each text, and how many were found."""
    found, count = hits(judged).T
    columns = {"id": pa.array(ids, pa.int64()), "prediction": pa.array(perplexities(judged), pa.float64())}
    counts = {"tokens": pa.array(count.astype(np.int64)), "found": pa.array(found.astype(np.int64))}
    return pa.table({**columns, **counts})


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` texts of which a token was not found: the largest pseudo-perplexity first."""
    found, count = hits(judged).T
    order = np.argsort(-np.nan_to_num(perplexities(judged)), kind="stable")
    return [row for row in order.tolist() if found[row] < count[row]][:limit]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return the tokens of a text, how many were found, and its pseudo-perplexity."""
    found, count = hits(judged)[row].tolist()
    return Wrong(row, f"{count:g} tokens", f"{found:g} found", f"pseudo-perplexity {perplexities(judged)[row]:.4g}")


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return the pseudo-perplexity of a text, null for one without tokens, and the number of its tokens."""
    own, count = float(perplexities(judged)[index]), int(losses(judged)[index, 1])
    return {"pseudo_perplexity": own if count else None, "tokens": count}
