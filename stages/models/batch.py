"""Windows of tokens as a model takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stages.learning import Part

if TYPE_CHECKING:
    from stages.learning import Ints

FLAT = ("input_ids", "token_type_ids")


def takes_segments(model: Any) -> bool:
    """Return whether `model` tells the first of two texts from the second by token_type_ids.

    Others have one segment or none, or take the same name for something else (GPT-2).
    """
    return int(getattr(model.config, "type_vocab_size", 0) or 0) > 1


def prompted(part: Part, places: Ints | None, count: int, first: int) -> tuple[Part, Ints | None]:
    """Return `part` with `count` virtual tokens, ids from `first` on, behind each window's first token, and `places`
    (M,), which of all tokens are read, as they are then.
    """
    ids = np.arange(first, first + count)
    lengths = np.array([len(row) for row in part["input_ids"]], dtype=np.int64)

    def with_virtual(name: str, row: Ints) -> Ints:
        return np.concatenate([row[:1], ids if name == "input_ids" else row[:1].repeat(count), row[1:]])

    added = {name: [with_virtual(name, row) for row in part[name]] for name in FLAT if name in part}
    if places is not None:
        row = np.searchsorted(lengths.cumsum(), places, side="right")
        behind = places > (lengths.cumsum() - lengths)[row]
        places = places + count * (row + behind)
    return {**part, **added}, places


def collate(part: Part, pad: int, packed: bool, segments: bool) -> dict[str, Tensor]:
    """Return input_ids, and with `segments` token_type_ids where `part` has them, of its windows.

    Packed, one after another: each (1, T) int64, with their lengths (B,). Else side by side, padded at the end by `pad`
    (segments by 0) to the longest: each (B, L) int64, with attention_mask.
    """
    lengths = np.array([len(row) for row in part["input_ids"]], dtype=np.int64)
    columns = {name: [row.astype(np.int64) for row in part[name]] for name in FLAT[: 1 + segments] if name in part}
    if packed:
        flat = {name: torch.from_numpy(np.concatenate(rows))[None] for name, rows in columns.items()}
        return {**flat, "lengths": torch.from_numpy(lengths)}
    mask = np.arange(lengths.max()) < lengths[:, None]  # (B, L)
    padded = {name: np.full(mask.shape, pad if name == "input_ids" else 0, dtype=np.int64) for name in columns}
    for name, rows in columns.items():
        padded[name][mask] = np.concatenate(rows)
    arrays = {**padded, "attention_mask": mask.astype(np.int64)}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
