"""What evaluate tells of a tagger, and what predict says of a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.core.shown import cut, plotted, terminal
from stages.interfaces import Value
from stages.scoring.calibration import drawn, expected_calibration_error, reliability
from stages.scoring.metric import Metric
from stages.scoring.mixing import of_classes as mixed
from stages.scoring.report import BARS, LINES, MATRIX, Options, Report, Wrong, report_of
from stages.targets.tags.metrics import ACCURACY, F1, LOSS, Judged, ratio, tallied

__all__ = ["METRICS", "mixed", "render", "report", "table", "worst", "wrong"]

NONE = "no span"  # what a span is taken for that the other side has not
WIDEST = 60  # characters of a type's name in the report


def _split(sums: NDArray[np.float64]) -> tuple[Any, Any, Any]:
    right, true, guessed = np.split(sums, 3, axis=-1)
    return right, true, guessed


def _precision(sums: NDArray[np.float64]) -> Any:
    right, _, guessed = (of.sum(-1) for of in _split(sums))
    return ratio(right, guessed)


def _recall(sums: NDArray[np.float64]) -> Any:
    right, true, _ = (of.sum(-1) for of in _split(sums))
    return ratio(right, true)


def _macro_f1(sums: NDArray[np.float64]) -> Any:
    right, true, guessed = _split(sums)
    return ratio((ratio(2 * right, true + guessed) * (true > 0)).sum(-1), (true > 0).sum(-1))


METRICS = {
    "f1": F1,
    "precision": Metric("higher", _precision, tallied, worst=0.0),
    "recall": Metric("higher", _recall, tallied, worst=0.0),
    "macro_f1": Metric("higher", _macro_f1, tallied, worst=0.0),
    "accuracy": ACCURACY,
    "log_loss": LOSS,
}


def types_of(space: Mapping[str, Any]) -> list[str]:
    """Return the names of the types of spans."""
    return [label.partition("-")[2] for label in space["labels"][1::2]]


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N sentences, N at least 1."""
    names = types_of(space)
    more: dict[str, Any] = {}
    notes = []
    if not len(judged.true_spans):
        notes.append("the data names no span: precision, recall and F1 are undefined")
        more |= dict.fromkeys(("f1", "precision", "recall", "macro_f1"))
    elif not len(judged.guessed_spans):
        notes.append("the model names no span: precision is undefined and counts 0")
    bars = reliability(judged.sure[judged.seen], (judged.truth == judged.guess)[judged.seen], options.bins)
    rows = _per_type(judged, names)
    more |= {"ece": expected_calibration_error(bars), "per_type": rows}
    unseen = int((~judged.seen).sum())
    if unseen:
        notes.append(f"{unseen} words have no token: they are taken for O")
    shown = plotted([*names, NONE])
    f1 = [(name, row["f1"]) for name, row in zip(shown, rows, strict=False) if row["true"]]
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "matrix/types.tsv": (MATRIX, _matrix(judged, shown)),
        "lines/accuracy_by_confidence.tsv": (LINES, drawn(bars)),
        "bars/f1_by_type.tsv": (BARS, f1),
    }
    return report_of(judged, METRICS, options, more, notes, tables, _text(rows))


def _per_type(judged: Judged, names: Sequence[str]) -> list[dict[str, Any]]:
    right, true, guessed = _split(tallied(judged).sum(axis=0))
    rows = []
    for t, name in enumerate(names):
        rows.append(
            {
                "type": name, "true": int(true[t]), "predicted": int(guessed[t]),
                "precision": float(right[t] / guessed[t]) if guessed[t] else None,
                "recall": float(right[t] / true[t]) if true[t] else None,
                "f1": float(2 * right[t] / (true[t] + guessed[t])) if true[t] else None,
            }
        )  # fmt: skip
    return rows


def _text(rows: Sequence[Mapping[str, Any]]) -> str:
    names = [cut(terminal(row["type"]), WIDEST) for row in rows]
    width = max(map(len, names))
    lines = [f"{'':{width}}  precision    recall        f1     spans"]
    for name, row in zip(names, rows, strict=True):
        numbers = ("–" if row[key] is None else f"{row[key]:.4f}" for key in ("precision", "recall", "f1"))
        lines.append(f"{name:{width}}  " + " ".join(f"{number:>9}" for number in numbers) + f" {row['true']:>9}")
    return "\n".join(lines) + "\n"


def _matrix(judged: Judged, shown: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return which type was taken for which where the words of a span are the same; `shown` ends with that of none."""
    none = len(shown) - 1
    true, guessed = (
        {(first, end): kind for first, end, kind in of.tolist()} for of in (judged.true_spans, judged.guessed_spans)
    )
    cells = Counter((kind, guessed.get(place, none)) for place, kind in true.items())
    cells.update((none, kind) for place, kind in guessed.items() if place not in true)
    sizes = [sum(n for (actual, _), n in cells.items() if actual == t) for t in range(none)]
    order = {t: place for place, t in enumerate([*sorted(range(none), key=lambda t: (-sizes[t], t)), none])}
    sizes.append(sum(n for (actual, _), n in cells.items() if actual == none))
    for t in range(none):
        cells[t, t] += 0
    return [(shown[i], shown[j], n, n / max(sizes[i], 1), order[i], order[j]) for (i, j), n in sorted(cells.items())]


def table(ids: NDArray[Any], judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, the tags of the words, those predicted, and how probable the model found each."""
    words = pa.array(space["labels"], pa.string())
    offsets = pa.array(_starts(judged), pa.int32())
    lists = {
        "tags": words.take(pa.array(judged.truth)),
        "prediction": words.take(pa.array(judged.guess)),
        "confidence": pa.array(judged.sure, pa.float32()),
    }
    columns = {name: pa.ListArray.from_arrays(offsets, values) for name, values in lists.items()}
    return pa.table({"id": pa.array(ids, pa.int64()), **columns})


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` sentences with wrong spans: those with the most first, then the most confident."""
    missed, added = _faults(judged)
    starts = _starts(judged)
    sure = np.bincount(judged.sentences, weights=judged.sure, minlength=len(judged)) / np.maximum(np.diff(starts), 1)
    order = np.lexsort((-sure, -(missed + added)))
    return [row for row in order[:limit].tolist() if missed[row] + added[row]]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return a sentence with the data's spans in brackets, the same with the model's, and how many are wrong."""
    names, (missed, added) = types_of(space), _faults(judged)
    start, end = _starts(judged)[row : row + 2].tolist()
    actual, guessed = (
        _bracketed(example[0], [span for span in of.tolist() if start <= span[0] < end], start, names)
        for of in (judged.true_spans, judged.guessed_spans)
    )
    return Wrong(row, actual, guessed, f"{missed[row]} missed, {added[row]} not there", beside=())


def _faults(judged: Judged) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many spans of each sentence were missed, and how many were named that are not there, (N,) each."""
    right, true, guessed = (of.sum(axis=1).astype(np.int64) for of in np.split(tallied(judged), 3, axis=1))
    return true - right, guessed - right


def _bracketed(words: Sequence[str], held: Sequence[Sequence[int]], start: int, names: Sequence[str]) -> str:
    marked = list(words)
    for first, end, kind in held:
        marked[first - start] = f"[{marked[first - start]}"
        marked[end - start - 1] += f" {names[kind]}]"
    return " ".join(marked)


def _starts(judged: Judged) -> NDArray[np.int64]:
    """Return (N + 1,): the first word of each sentence, and their number."""
    return np.concatenate([[0], np.cumsum(np.bincount(judged.sentences, minlength=len(judged)))])


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return a sentence's words, their tags, and its spans: type, text, and the words from `start` to before `end`."""
    start, end = _starts(judged)[index : index + 2].tolist()
    words, names = example[0], types_of(space)
    held = [span for span in judged.guessed_spans.tolist() if start <= span[0] < end]
    return {
        "words": list(words),
        "tags": [space["labels"][tag] for tag in judged.guess[start:end].tolist()],
        "entities": [
            {"type": names[kind], "text": " ".join(words[a - start : b - start]), "start": a - start, "end": b - start}
            for a, b, kind in held
        ],
    }
