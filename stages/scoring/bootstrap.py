"""95 % intervals by the bootstrap: how far the scores would move on another test set of the same size.

Percentile intervals (Efron and Tibshirani 1993, ch. 13). Rows are drawn from the whole test set, not within classes:
another test set would have other class counts too, and a resample within classes would leave a class of one row no
spread at all. The price is that a rare class may be missing from a resample; the averages over classes then go over
the others, which is what they do for any set of rows, and Matthews' correlation, undefined when one class alone is
left, counts 0 there.

The seed alone decides which rows a resample holds, so two runs scored on the same test set are compared on the same
resamples.
"""

from __future__ import annotations

import numpy as np

from stages.scoring.headline import Floats, Labels, Tally, losses
from stages.scoring.probabilities import predicted

LEVEL = 0.95
ROWS_AT_ONCE = 1_000_000  # rows drawn at a time: bounds the memory (about 50 MB)


def intervals(labels: Labels, probabilities: Floats, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return the (lower, upper) ends for accuracy, macro_f1, weighted_f1, mcc and log_loss.

    labels (N,), probabilities (N, C), N at least 1.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows, classes = probabilities.shape
    predictions, row_losses = predicted(probabilities), losses(labels, probabilities)
    drawn: dict[str, list[Floats]] = {}
    at_once = max(1, ROWS_AT_ONCE // rows)
    for start in range(0, resamples, at_once):
        chosen = generator.integers(0, rows, size=(min(at_once, resamples - start), rows))
        tally = Tally.of(labels[chosen], predictions[chosen], classes)
        for name, values in (
            ("accuracy", tally.accuracy()),
            ("macro_f1", tally.macro_f1()),
            ("weighted_f1", tally.weighted_f1()),
            ("mcc", tally.mcc()),
            ("log_loss", row_losses[chosen].mean(axis=1)),
        ):
            drawn.setdefault(name, []).append(values)
    tail = (1 - LEVEL) / 2
    found = {}
    for name, parts in drawn.items():
        lower, upper = np.quantile(np.concatenate(parts), (tail, 1 - tail)).tolist()
        found[name] = (lower, upper)
    return found
