"""The outputs of a model for some windows of tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stages.interfaces import Head, Part
from stages.models.batch import collate
from stages.models.packed import is_packed


def compute(model: Any, head: Head, part: Part, pad: int, device: torch.device) -> Tensor:
    """Return the outputs of the windows of `part`, (M, C), whether computed with padding or without."""
    inputs = collate(part, pad, is_packed(model))
    if not takes_segments(model):
        inputs.pop("token_type_ids", None)
    logits = model(**{name: value.to(device) for name, value in inputs.items()}).logits
    if head.reads == "all":  # (1, T, C), or (B, L, C) of which some is padding
        logits = logits[0] if is_packed(model) else logits[inputs["attention_mask"].bool().to(device)]
    return head.select(logits, part)


def takes_segments(model: Any) -> bool:
    """Return whether `model` tells the first of two texts from the second by token_type_ids.

    Others have one segment or none, or take the same name for something else (GPT-2).
    """
    return int(getattr(model.config, "type_vocab_size", 0) or 0) > 1
