"""An adapter merged into its base, and by how much that changes what the model says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stages.core.errors import InputError
from stages.learning import Tuning

Outputs = np.ndarray[Any, np.dtype[np.float32]]


def merge(model: Any, tuning: Tuning, compute: Callable[[Any], Outputs], judge: Callable[[Outputs], Any]) -> Any:
    """Return (`model` merged, the largest change of an output (M, K) of the validation rows).

    `compute(model)` gives these outputs, `judge` the examples with what the model says of them. Raises InputError when
    a prediction changes.
    """
    before = compute(model)
    model = tuning.merged(model)
    after = compute(model)
    gap = float(np.abs(after - before).max())
    one, other = judge(before).predictions(), judge(after).predictions()
    if one is not None and not np.array_equal(one, other):
        raise InputError(
            f"train.tuning.save: merged changes a prediction of the validation rows (outputs by {gap:.2g}): set adapter"
        )
    return model, gap
