"""Logits of token rows, computed in shards of fixed content and shape, shared out among the workers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.core import progress
from stages.core.errors import InputError, refusals_told
from stages.core.tables import Rows
from stages.interfaces import TokenRows
from stages.repro.draws import undrawn
from stages.repro.workers import Group

if TYPE_CHECKING:
    from torch import Tensor, nn

SHARD_ROWS = 32  # rows of like length computed together; changing it changes the bits


def token_rows(path: Path, pad: int) -> TokenRows:
    """Return the split at `path` (an Arrow file of the tokenize stage), read by memory map; `pad` is the padding id."""
    rows = Rows(path)
    return TokenRows(
        lengths=rows.numbers("length"),
        labels=rows.numbers("label").astype(np.int64),
        tokens=lambda indices: rows.lists("input_ids", indices),
        pad=pad,
    )


def logits(
    model: nn.Module,
    rows: TokenRows,
    collate: Callable[..., dict[str, Tensor]],
    group: Group,
    label: str,
) -> np.ndarray[Any, Any]:
    """Return the logits of all rows in their order, (N, C) float32, on every worker.

    Rows are sorted by length and cut into shards, so that little is padded; a shard is computed by one worker, and
    nothing is summed across shards. `collate` is that of the task; `label` names the progress bar. Raises InputError
    when the model cannot compute, draws random numbers of its own, or gives logits that are not finite.
    """
    import torch

    order = np.lexsort((np.arange(len(rows.lengths)), -rows.lengths))
    shards = [order[start : start + SHARD_ROWS] for start in range(0, len(order), SHARD_ROWS)]
    mine = shards[group.rank :: group.size]
    training = model.training
    model.eval()
    found = []
    shown = progress.bar(
        iterable=mine, desc=label, unit="shard", disable=None if group.rank == 0 else True, leave=False, file=sys.stderr
    )
    with torch.inference_mode():
        for shard in shown:
            inputs = collate(rows.tokens(shard), int(rows.lengths[shard].max()), rows.pad)
            with undrawn(model), refusals_told(f"{label}: the model cannot compute"):  # what its config asks for
                out = model(**{name: value.to(group.device) for name, value in inputs.items()}).logits
            found.append(out.float().cpu().numpy())
    model.train(training)
    pieces = group.gather(found)
    width = next(piece.shape[1] for share in pieces for piece in share)
    whole = np.empty((len(order), width), dtype=np.float32)
    for rank, share in enumerate(pieces):
        for shard, piece in zip(shards[rank :: group.size], share, strict=True):
            whole[shard] = piece
    if not np.isfinite(whole).all():
        raise InputError(f"{label}: the model gives logits that are not finite (it diverged: lower train.lr)")
    return whole
