"""Gradients summed in one fixed binary tree, whoever computes its parts.

The tree over K shards halves the range [0, K) again and again, the left half taking the odd one out, so K need be no
power of two. With W workers (a power of two) each owns one of the W ranges at depth log2 W, which may be empty when a
short last batch has fewer shards than workers. A worker sums its range; then sums are swapped pairwise, lowest level
first. Every addition has two operands, and float addition commutes, so both sides get the same bits, and the bits of
the one worker who does it all alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stages.repro.workers import Group

Leaf = Callable[[int, list[Tensor] | None], list[Tensor]]


def middle(low: int, high: int) -> int:
    """Return where the range [low, high) is halved."""
    return low + (high - low + 1) // 2


def owned(rank: int, size: int, shards: int) -> tuple[int, int]:
    """Return the range [low, high) of shards that worker `rank` of `size` sums."""
    low, high = 0, shards
    half = size // 2
    while half:
        cut = middle(low, high)
        low, high = (cut, high) if rank & half else (low, cut)
        half //= 2
    return low, high


def tree_sum(low: int, high: int, leaf: Leaf) -> list[Tensor]:
    """Return the sum over the shards [low, high), which must not be empty.

    `leaf(shard, None)` returns a shard's gradients; `leaf(shard, onto)` adds them onto `onto` in place, which is what
    autograd does at no cost, and returns it.
    """
    if high - low == 1:
        return leaf(low, None)
    cut = middle(low, high)
    left = tree_sum(low, cut, leaf)
    if high - cut == 1:
        return leaf(cut, left)
    torch._foreach_add_(left, tree_sum(cut, high, leaf))
    return left


def reduce(mine: list[Tensor] | None, shapes: list[torch.Size], shards: int, group: Group) -> list[Tensor]:
    """Return the sum over all shards on every worker.

    `mine` is the sum over this worker's range, or None when it owns no shard; `shapes` are those of its tensors.
    """
    if group.size == 1:
        assert mine is not None
        return mine
    offsets = [0]
    for shape in shapes:
        offsets.append(offsets[-1] + -(-shape.numel() // 16) * 16)  # each tensor starts at a multiple of 64 bytes
    total = torch.empty(offsets[-1])
    views = [total[start : start + shape.numel()].view(shape) for start, shape in zip(offsets, shapes, strict=False)]
    if mine is not None:
        torch._foreach_copy_(views, mine)
    bit, filled = 1, mine is not None
    while bit < group.size:
        peer = group.rank ^ bit
        low, high = owned(peer // bit, group.size // bit, shards)
        other = torch.empty_like(total) if high > low and filled else total
        group.swap(total if filled else None, other if high > low else None, peer)
        if high > low and filled:
            total += other
        filled = filled or high > low
        bit *= 2
    device = group.device
    return views if device.type == "cpu" else [view.to(device) for view in views]
