"""Dropout whose masks are a function of (seed, step, shard): no generator state, and cheap to draw.

A decision compares 16 random bits with the rate, so the rate is exact to 2^-17; four decisions come from each 64-bit
word of SFC64. They are applied in one pass over memory forward and one backward.
Measured against torch's own dropout in benchmarks/NOTES.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

ATTENTION = "reprise"  # the name under which transformers finds `attention`
THEIRS = ("sdpa", "eager")  # attentions of transformers, whose dropout draws from torch's generator


class Masks:
    """The masks of one shard after another: `begin` names the shard, every call of `drop` draws its next mask."""

    def __init__(self) -> None:
        self._words: np.random.SFC64 | None = None
        self._key = 0

    def begin(self, key: int) -> None:
        """Start the masks of the shard with this key; also seeds torch, for dropout that a model calls by itself."""
        self._words = np.random.SFC64(key)
        self._key = key
        torch.manual_seed(key)

    def drop(self, x: Tensor, rate: float) -> Tensor:
        """Return `x` with each element 0 with probability `rate`, else times 1 / (1 - rate)."""
        if self._words is None:
            raise RuntimeError("Masks.drop before Masks.begin: dropout without a shard's key")
        words = np.atleast_1d(self._words.random_raw(-(-x.numel() // 4)))
        bits = torch.from_numpy(words.view(np.int16)[: x.numel()]).view(x.shape).to(x.device)
        limit = round(rate * 65536) - 32769  # the largest 16-bit number that drops
        dropped: Tensor = _Drop.apply(x, bits.float(), limit, 1 / (1 - rate))  # type: ignore[no-untyped-call]
        return dropped


class _Drop(torch.autograd.Function):
    """`x` times `scale` where `bits` are above `limit`, 0 elsewhere; its own transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bits: Tensor, limit: int, scale: float) -> Tensor:
        ctx.save_for_backward(bits)
        ctx.limit, ctx.scale = limit, scale
        return _kept(x, bits, limit, scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (bits,) = ctx.saved_tensors
        return _kept(gradient, bits, ctx.limit, ctx.scale), None, None, None


def _kept(x: Tensor, bits: Tensor, limit: int, scale: float) -> Tensor:
    # The gradient of a threshold is just what is wanted, in one pass over memory. In float32, which holds all bits.
    kept: Tensor = torch.ops.aten.threshold_backward(x.float(), bits, limit).mul_(scale)
    return kept.to(x.dtype)


class StreamDropout(nn.Module):
    """Stands in for nn.Dropout."""

    def __init__(self, rate: float, masks: Masks) -> None:
        super().__init__()
        self.p = rate
        self.masks = masks

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` of any shape with dropout in training, unchanged otherwise."""
        return self.masks.drop(x, self.p) if self.training and self.p else x


def attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, dropout: float = 0.0, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Scaled dot-product attention with stream dropout, in the form transformers asks for.

    query, key, value (B, H, L, D); attention_mask (B, 1, L, L) additive; returns (B, L, H, D).
    """
    if scaling is None:
        scaling = 1 / math.sqrt(query.shape[-1])
    if not (module.training and dropout):
        out = nn.functional.scaled_dot_product_attention(query, key, value, attention_mask, scale=scaling)
        return out.transpose(1, 2).contiguous(), None
    scores = (query * scaling) @ key.transpose(2, 3)  # (B, H, L, L)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = torch.softmax(scores, dim=-1)
    weights = module.reprise_masks.drop(weights, dropout)  # type: ignore[union-attr, operator]
    return (weights.to(value.dtype) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, eager_mask)


def install(model: Any) -> Masks:
    """Let every dropout of `model` draw from the returned masks.

    A model of a kind that has no exchangeable attention keeps its own, which draws from torch's generator: seeded a
    shard, so equally repeatable, only slower.
    """
    masks = Masks()
    for module in list(model.modules()):
        module.reprise_masks = masks
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                setattr(module, name, StreamDropout(child.p, masks))
    if model.config._attn_implementation in THEIRS and model._can_set_attn_implementation():
        model.set_attn_implementation(ATTENTION)
    return masks
