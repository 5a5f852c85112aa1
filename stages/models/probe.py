"""Whether a model that computes without padding is the same function: tried on a few random tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from stages.learning import Head
from stages.models.batch import takes_segments


def packed_if_same(model: Any, head: Head, install: Callable[[], None], changed: Sequence[Any]) -> Any:
    """Return `model`, after `install` where that leaves the outputs of a few tokens as they are, else as it was.

    `changed` are the modules whose `forward` it replaces.
    """
    training, before = model.training, model.config._attn_implementation
    model.eval()
    if not _same(model, head, install):
        for module in changed:
            module.__dict__.pop("forward", None)
        model.set_attn_implementation(before)
    return model.train(training)


def _same(model: Any, head: Head, install: Callable[[], None]) -> bool:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(model.get_input_embeddings().num_embeddings, (2, 5), generator=generator)
    lengths = torch.tensor([5, 3])
    mask = torch.arange(5) < lengths[:, None]
    segments = {}
    if takes_segments(model):
        segments = {"token_type_ids": torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]])}
    try:
        with torch.no_grad():
            padded = head.read(model(input_ids=ids, attention_mask=mask.long(), **segments))
            install()
            flat = {name: value[mask][None] for name, value in segments.items()}
            packed = head.read(model(input_ids=ids[mask][None], lengths=lengths, **flat))
    except Exception:  # whatever an architecture does that is built otherwise
        return False
    padded = padded[mask][None] if head.reads == "all" else padded
    return padded.shape == packed.shape and torch.allclose(padded, packed, rtol=1e-3, atol=1e-4)
