"""What the model said of each row, as data/predictions/ holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from stages.core.shown import cell, cut, terminal
from stages.scoring.headline import Floats, Labels
from stages.scoring.probabilities import predicted

TEXT_SHOWN = 300  # characters
WORST_HEADER = ("id", "label", "prediction", "confidence", "label_probability", "text")

WorstRow = tuple[int, str, str, float, float, str]


def prediction_table(ids: Labels, labels: Labels, probabilities: Floats, names: Sequence[str]) -> pa.Table:
    """Return id, label, prediction and a float32 column `p_NAME` for each class: all scores follow from these.

    ids (N,), labels (N,), probabilities (N, C), `names` of the C classes.
    """
    words = pa.array(names, pa.string())
    columns: dict[str, pa.Array] = {
        "id": pa.array(ids, pa.int64()),
        "label": words.take(pa.array(labels)),
        "prediction": words.take(pa.array(predicted(probabilities))),
    }
    columns |= {f"p_{name}": pa.array(probabilities[:, c], pa.float32()) for c, name in enumerate(names)}
    return pa.table(columns)


def worst_errors(labels: Labels, probabilities: Floats, limit: int) -> list[int]:
    """Return the rows of at most `limit` wrong predictions: the most confident first, equals in the order of rows."""
    wrong = np.flatnonzero(predicted(probabilities) != labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return [int(row) for row in wrong[order][:limit]]


def worst_rows(
    texts: Mapping[int, str], ids: Labels, labels: Labels, probabilities: Floats, names: Sequence[str]
) -> list[WorstRow]:
    """Return what worst.tsv says of the rows that `texts` holds, in that order.

    White space in a text becomes single blanks; more than TEXT_SHOWN characters are cut. Whatever a spreadsheet would
    compute has a `'` before it.
    """
    guessed = predicted(probabilities)
    rows: list[WorstRow] = []
    for row, text in texts.items():
        line = cut(terminal(" ".join(text.split())), TEXT_SHOWN)
        label, guess = int(labels[row]), int(guessed[row])
        confidence, own = float(probabilities[row, guess]), float(probabilities[row, label])
        actual, taken_for = (cell(terminal(names[c])) for c in (label, guess))
        rows.append((int(ids[row]), actual, taken_for, confidence, own, cell(line)))
    return rows
