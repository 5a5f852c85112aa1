"""Gradients summed in one fixed binary tree, whoever computes its parts.

The tree over K shards halves the range [0, K) again and again, the left half taking the odd one out, so K need be no
power of two. With W workers (a power of two) each sums one of the W ranges at depth log2 W, which may be empty when a
short last batch has fewer shards than workers. The levels above are summed across workers: every addition has two
operands, and float addition commutes, so whoever adds gets the bits of the one worker who does it all alone.

Workers that share memory lay their sums where all can read them, and each adds up, and later updates, the leaves it
owns. Workers that do not, swap their sums pairwise, lowest level first, and each updates all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.repro.workers import Group
from stages.training.trace import leaf_digest

Leaf = Callable[[int, list[Tensor] | None], list[Tensor]]
ALIGNED = 16  # elements: each leaf starts at a multiple of 64 bytes


@dataclass(frozen=True)
class Reduced:
    """The sum over all shards of a batch."""

    leaves: Mapping[int, Tensor]  # of each leaf that this worker owns
    norms: Tensor  # (leaves,) float32: 2-norm of each leaf
    digests: Sequence[str]  # of each leaf's bytes
    aside: Tensor  # the sum of the shards' small extra, the same on every worker


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


def across(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Return the sum of the workers' sums, in rank order, by the levels of the tree above them; None adds nothing."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    left, right = across(parts[:half]), across(parts[half:])
    return left + right if left is not None and right is not None else left if right is None else right


class Reduction:
    """Sums the leaves of all workers. `room` is the most elements each leaf has, `cost` the work its update takes."""

    def __init__(self, room: Sequence[int], cost: Sequence[int], group: Group) -> None:
        self.group = group
        self.owners = shared_out(cost, group.size) if group.shares_memory else [group.rank] * len(cost)
        self._starts = [0]
        for count in room:
            self._starts.append(self._starts[-1] + -(-count // ALIGNED) * ALIGNED)
        self._boxes: Tensor | None = None  # (W, elements): what each worker lays out for the others
        if group.shares_memory and group.size > 1:
            (self._boxes,) = group.share([torch.empty(group.size, self._starts[-1])])

    def owns(self, leaf: int) -> bool:
        """Return whether this worker updates the leaf."""
        return self.owners[leaf] == self.group.rank

    def __call__(
        self, mine: list[Tensor] | None, aside: Tensor | None, shapes: Sequence[torch.Size], shards: int
    ) -> Reduced:
        """Reduce this worker's sums, `mine` and `aside`, None when it has no shard; `shapes` are those of `mine`."""
        if self.group.size == 1:
            assert mine is not None
            summed: Iterator[tuple[int, Tensor]] = enumerate(mine)
        elif self._boxes is not None:
            summed = self._summed(self._boxes, mine, shapes, shards)
        else:
            summed = self._swapped(mine, shapes, shards)
        sums, told = {}, {}
        for leaf, total in summed:  # each is read again while it is still in the processor's cache
            sums[leaf] = total
            told[leaf] = (float(torch.linalg.vector_norm(total)), leaf_digest(total))
        found = self.group.gather((told, aside))
        whole = {i: value for share, _ in found for i, value in share.items()}
        extra = across([part for _, part in found])
        assert extra is not None
        leaves = range(len(shapes))
        return Reduced(sums, torch.tensor([whole[i][0] for i in leaves]), [whole[i][1] for i in leaves], extra)

    def _summed(
        self, boxes: Tensor, mine: list[Tensor] | None, shapes: Sequence[torch.Size], shards: int
    ) -> Iterator[tuple[int, Tensor]]:
        """Lay out the leaves of others; yield the sums of one's own, added up from what the others have laid out."""
        rank, size = self.group.rank, self.group.size

        def box(worker: int, leaf: int) -> Tensor:
            return boxes[worker, self._starts[leaf] :][: shapes[leaf].numel()].view(shapes[leaf])

        if mine is not None:
            for leaf, value in enumerate(mine):
                if not self.owns(leaf):
                    box(rank, leaf).copy_(value)
        self.group.barrier()
        busy = [high > low for low, high in (owned(worker, size, shards) for worker in range(size))]
        for leaf in range(len(shapes)):
            if self.owns(leaf):
                parts = [
                    None if not busy[worker] else box(worker, leaf) if worker != rank or mine is None else mine[leaf]
                    for worker in range(size)
                ]
                total = across(parts)
                assert total is not None
                yield leaf, total  # may be another's box, which nobody writes before the step is taken

    def _swapped(
        self, mine: list[Tensor] | None, shapes: Sequence[torch.Size], shards: int
    ) -> Iterator[tuple[int, Tensor]]:
        group = self.group
        total = torch.empty(self._starts[-1])
        views = [total[start:][: shape.numel()].view(shape) for start, shape in zip(self._starts, shapes, strict=False)]
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
        yield from enumerate(view.to(group.device) for view in views)


def shared_out(cost: Sequence[int], size: int) -> list[int]:
    """Return each leaf's owner: the costliest first, each to the one who has the least so far."""
    load = [0] * size
    owners = [0] * len(cost)
    for leaf in sorted(range(len(cost)), key=lambda i: (-cost[i], i)):
        owners[leaf] = min(range(size), key=lambda rank: (load[rank], rank))
        load[owners[leaf]] += cost[leaf]
    return owners
