"""Whether padding changes what a model says of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stages.core.errors import InputError, refusals_told
from stages.learning import Head, TokenRows
from stages.repro.draws import undrawn

if TYPE_CHECKING:
    import torch


def padding_note(model: Any, rows: TokenRows, head: Head, device: torch.device) -> str | None:
    """Return a line that says how much padding changes the outputs of the shortest row; None if it does not.

    The row is computed by itself and beside the longest one. Raises InputError when the model cannot compute rows,
    draws, or has a head that reads the last place of a row, where padding lies.
    """
    import torch

    from stages.models import compute

    if not len(rows.lengths):
        return None
    pair = np.array([rows.lengths.argmin(), rows.lengths.argmax()])
    shortest, longest = (int(length) for length in rows.lengths[pair])
    training, name = model.training, type(model).__name__
    model.eval()
    with refusals_told(f"{name}: cannot compute a row of tokens"), torch.no_grad(), undrawn(model):
        alone, padded = (compute(model, head, rows.take(indices), rows.pad, device) for indices in (pair[:1], pair))
    model.train(training)
    padded = padded[: len(alone)]
    if torch.allclose(alone, padded, rtol=1e-3, atol=1e-4):
        return None
    if getattr(model.config, "summary_type", None) == "last":
        raise InputError(
            f"{name}: its head reads the last place of a row, where padding lies: choose another base model"
        )
    change = float((alone - padded).abs().max())
    return (
        f"{name}: padding changes its logits (by {change:.2g} in a row of {shortest} tokens beside one of {longest}): "
        "a row's probabilities depend on the length of the rows it is computed with"
    )
