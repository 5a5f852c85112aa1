"""One tree of sums, whoever computes its parts."""

from __future__ import annotations

import queue
import threading
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.training.reduction import owned, reduce, tree_sum


def gradients(shards: int) -> list[list[Tensor]]:
    generator = torch.Generator().manual_seed(shards)
    return [[torch.randn(5, generator=generator), torch.randn(2, 3, generator=generator)] for _ in range(shards)]


def leaf_of(values: list[list[Tensor]]) -> Any:
    def leaf(index: int, onto: list[Tensor] | None) -> list[Tensor]:
        if onto is None:
            return [t.clone() for t in values[index]]
        for total, value in zip(onto, values[index], strict=True):
            total += value
        return onto

    return leaf


class Threads:
    """A group whose workers are threads: enough of a group for `reduce`."""

    device = torch.device("cpu")

    def __init__(self, rank: int, size: int, boxes: dict[tuple[int, int], queue.Queue[Tensor]]) -> None:
        self.rank, self.size, self.boxes = rank, size, boxes

    def swap(self, tensor: Tensor | None, into: Tensor | None, peer: int) -> None:
        if tensor is not None:
            self.boxes[self.rank, peer].put(tensor.clone())
        if into is not None:
            into.copy_(self.boxes[peer, self.rank].get(timeout=10))


def together(shards: int, workers: int) -> list[list[Tensor]]:
    values = gradients(shards)
    boxes = {(a, b): queue.Queue[Tensor]() for a in range(workers) for b in range(workers)}
    found: list[list[Tensor]] = [[] for _ in range(workers)]

    def work(rank: int) -> None:
        low, high = owned(rank, workers, shards)
        mine = tree_sum(low, high, leaf_of(values)) if high > low else None
        shapes = [t.shape for t in values[0]]
        found[rank] = reduce(mine, shapes, shards, Threads(rank, workers, boxes))  # type: ignore[arg-type]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_tree_of_five() -> None:
    a, b, c, d, e = (torch.tensor([x]) for x in (1e8, 1.0, -1e8, 3.0, 1e-3))
    expected = ((a + b) + c) + (d + e)
    assert torch.equal(tree_sum(0, 5, leaf_of([[a], [b], [c], [d], [e]]))[0], expected)


@given(size=st.sampled_from([1, 2, 4, 8, 16]), shards=st.integers(1, 40))
def test_workers_own_every_shard_once_and_in_order(size: int, shards: int) -> None:
    ranges = [owned(rank, size, shards) for rank in range(size)]
    assert [s for low, high in ranges for s in range(low, high)] == list(range(shards))
    if shards >= size:
        assert {high - low for low, high in ranges} <= {shards // size, -(-shards // size)}
    assert ranges[0][1] > 0


@pytest.mark.parametrize("workers", [2, 4, 8])
@pytest.mark.parametrize("shards", [1, 2, 3, 5, 6, 7, 8, 12, 13])
def test_any_number_of_workers_gives_the_bits_of_one(workers: int, shards: int) -> None:
    alone = tree_sum(0, shards, leaf_of(gradients(shards)))
    for summed in together(shards, workers):
        assert all(torch.equal(one, other) for one, other in zip(alone, summed, strict=True))


def test_the_order_would_show() -> None:
    values = gradients(8)
    in_turn = [sum((v[0] for v in values[1:]), values[0][0])]
    assert not torch.equal(in_turn[0], tree_sum(0, 8, leaf_of(values))[0])
