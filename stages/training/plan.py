"""Which examples a step computes, in which shards: a function of (seed, epoch) and the lengths, and of nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.repro.streams import Streams

Ints = np.ndarray[Any, np.dtype[np.int64]]


class Plan:
    """Every batch of a run.

    The batches are those of an ordinary shuffle; how a batch is cut into shards of at most `shard_size` leaves which
    examples share an optimiser step untouched. For a model that computes without padding (`packed`) the examples are
    dealt out so that every shard gets about as many tokens. For others they are sorted by length and cut, so that a
    shard holds little padding, and the shards are ordered such that the two halves of the reduction tree, at every
    level, get about equal work.
    """

    def __init__(
        self, lengths: Ints, batch_size: int, shard_size: int, epochs: int, streams: Streams, packed: bool
    ) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.shard_size = shard_size
        self.streams = streams
        self.packed = packed
        self.steps_per_epoch = -(-len(lengths) // batch_size)
        self.steps = self.steps_per_epoch * epochs
        self._order: tuple[int, Ints] = (-1, np.empty(0, dtype=np.int64))

    def rows(self, step: int) -> Ints:
        """Return the row indices of the batch of `step` (from 0), in the order of the shuffle."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, self.streams.generator("order", epoch).permutation(len(self.lengths)))
        return self._order[1][index * self.batch_size : (index + 1) * self.batch_size]

    def epoch(self, step: int) -> int:
        """Return the epoch, from 0, of a step from 0."""
        return step // self.steps_per_epoch

    def shards(self, step: int) -> list[Ints]:
        """Return the shards of the batch of `step`, each (B,) row indices, in the order of the leaves of the tree."""
        rows = self.rows(step)
        rows = rows[np.lexsort((rows, -self.lengths[rows]))]
        if self.packed:
            return _dealt(rows, -(-len(rows) // self.shard_size))
        return _balanced([rows[at : at + self.shard_size] for at in range(0, len(rows), self.shard_size)])


def _dealt(rows: Ints, hands: int) -> list[Ints]:
    """Deal rows, given from longest to shortest, out to `hands`: there and back again, so that each gets a like sum."""
    rounds = np.arange(len(rows)) // hands
    turn = np.arange(len(rows)) % hands
    hand = np.where(rounds % 2 == 0, turn, hands - 1 - turn)
    return [rows[hand == index] for index in range(hands)]


def _balanced(items: list[Ints]) -> list[Ints]:
    """Order items, given from longest to shortest, so that each half, and each half of a half, gets alike shares.

    The left half has the odd one out, as in stages.training.reduction.
    """
    if len(items) < 3:
        return items
    left = [item for index, item in enumerate(items) if index % 4 in (0, 3)]
    right = [item for index, item in enumerate(items) if index % 4 in (1, 2)]
    if len(left) < len(right):
        left, right = right, left
    return _balanced(left) + _balanced(right)
