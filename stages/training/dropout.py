"""Dropout whose masks are a function of (seed, step, shard): no generator state, and cheap to draw.

A decision compares 16 random bits with the rate, so the rate is exact to 2^-17; four decisions come from each 64-bit
word of SFC64. They are applied in one pass over memory forward and one backward.
Measured against torch's own dropout in benchmarks/NOTES.md.

Every dropout ends in one of two functions of torch, and layers that are left out are drawn by a third. In the forward
pass of a shard these three are ours, whichever module calls them, and one that a model makes as it goes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class Masks(TorchFunctionMode):
    """The masks of one shard after another: `begin` names the shard, every dropout in `with masks:` draws the next."""

    def __init__(self) -> None:
        super().__init__()
        self._words: np.random.SFC64 | None = None
        self._layers = torch.Generator()  # of layers to be left out

    def begin(self, key: int) -> None:
        """Start the masks of the shard with this key."""
        self._words = np.random.SFC64(key)
        self._layers.manual_seed(key)

    def drop(self, x: Tensor, rate: float) -> Tensor:
        """Return `x` with each element 0 with probability `rate`, else times 1 / (1 - rate)."""
        if self._words is None:
            raise RuntimeError("Masks.drop before Masks.begin: dropout without a shard's key")
        words = np.atleast_1d(self._words.random_raw(-(-x.numel() // 4)))
        bits = torch.from_numpy(words.view(np.int16)[: x.numel()]).view(x.shape).to(x.device)
        limit = round(rate * 65536) - 32769  # the largest 16-bit number that drops
        dropped: Tensor = _Drop.apply(x, bits.float(), limit, 1 / (1 - rate))  # type: ignore[no-untyped-call]
        return dropped

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Stand in for the functions of torch that draw in a forward pass."""
        kwargs = kwargs or {}
        if func is functional.dropout:
            return self._dropout(*args, **kwargs)
        if func is functional.scaled_dot_product_attention and kwargs.get("dropout_p"):
            return self._attention(*args, **kwargs)
        if func is torch.rand and "generator" not in kwargs:
            return func(*args, **{**kwargs, "device": None, "generator": self._layers}).to(kwargs.get("device"))
        return func(*args, **kwargs)

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return self.drop(x, p) if training and p else x

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        """Return scaled dot-product attention with dropout of its weights, as torch's function of that name.

        query (B, H, L, D), key and value (B, G, S, D), H a multiple of G; attn_mask broadcasts to (B, H, L, S),
        bool (True: seen) or to be added; returns (B, H, L, D).
        """
        if enable_gqa:
            key, value = (x.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for x in (key, value))
        scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        scores = (query * scale) @ key.transpose(2, 3)  # (B, H, L, S)
        lowest = torch.finfo(scores.dtype).min
        if is_causal:
            scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), lowest)
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, lowest) if attn_mask.dtype == torch.bool else scores + attn_mask
        return self.drop(torch.softmax(scores, dim=-1), dropout_p).to(value.dtype) @ value


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
