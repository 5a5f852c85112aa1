"""Outputs for token rows, computed in shards of fixed content and shape, shared out among the workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.core import progress
from stages.core.errors import InputError, refusals_told
from stages.core.tables import Rows
from stages.learning import Head, Part, TokenRows
from stages.repro.draws import undrawn
from stages.repro.workers import Group

if TYPE_CHECKING:
    from torch import nn

SHARD_ROWS = 32  # rows of like length computed together; changing it changes the bits
WIDE_ROWS = 8  # the same for a head that gives each token of a row the whole vocabulary: bounds the memory


def token_rows(path: Path, pad: int) -> TokenRows:
    """Return the split at `path` (an Arrow file of the tokenize stage), read by memory map; `pad` is the padding id."""
    rows = Rows(path)
    return TokenRows(lengths=rows.numbers("length"), take=rows.take, pad=pad)


def whole(rows: TokenRows) -> Part:
    """Return the columns of all windows."""
    return rows.take(np.arange(len(rows.lengths)))


def outputs(model: nn.Module, rows: TokenRows, head: Head, group: Group, label: str) -> np.ndarray[Any, Any]:
    """Return what is gathered of the outputs of all rows, in their order, (M, K) float32, on every worker.

    Rows are sorted by length and cut into shards, so that little is padded; a shard is computed by one worker, and
    nothing is summed across shards. `label` names the progress bar. Raises InputError when the model cannot compute,
    draws random numbers of its own, or gives outputs that are not finite.
    """
    import torch

    from stages.models import compute

    order = np.lexsort((np.arange(len(rows.lengths)), -rows.lengths))
    size = WIDE_ROWS if head.own else SHARD_ROWS
    shards = [order[start : start + size] for start in range(0, len(order), size)]
    mine = shards[group.rank :: group.size]
    training = model.training
    model.eval()
    done = []
    shown = progress.bar(
        iterable=mine, desc=label, unit="shard", disable=None if group.rank == 0 else True, leave=False, file=sys.stderr
    )
    with torch.inference_mode():
        for shard in shown:
            part = rows.take(shard)
            with undrawn(model), refusals_told(f"{label}: the model cannot compute"):  # what its config asks for
                out = head.gathered(compute(model, head, part, rows.pad, group.device), part)
            done.append((out.float().cpu().numpy(), head.units(part)))
    model.train(training)
    shares = group.gather(done)
    found = _in_order([(shards[rank :: group.size], share) for rank, share in enumerate(shares)], len(order))
    if not np.isfinite(found).all():
        raise InputError(f"{label}: the model gives outputs that are not finite (it diverged: lower train.lr)")
    return found


def _in_order(shares: list[tuple[list[Any], list[Any]]], rows: int) -> np.ndarray[Any, Any]:
    """Return the outputs of shards, each (M, C) with the number of each row's, in the order of the rows."""
    computed = [(shard, *piece) for shards, share in shares for shard, piece in zip(shards, share, strict=True)]
    counts = np.zeros(rows, dtype=np.int64)
    for shard, _, units in computed:
        counts[shard] = units
    starts = np.cumsum(counts) - counts
    found = np.empty((int(counts.sum()), computed[0][1].shape[1]), dtype=np.float32)
    for shard, piece, units in computed:
        within = np.arange(len(piece)) - np.repeat(np.cumsum(units) - units, units)
        found[np.repeat(starts[shard], units) + within] = piece
    return found
