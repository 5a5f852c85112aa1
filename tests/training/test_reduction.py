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

from stages.training.reduction import Reduced, Reduction, owned, shared_out, tree_sum
from stages.training.trace import leaf_digest


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
    """A group whose workers are threads: enough of a group for `Reduction`."""

    device = torch.device("cpu")

    def __init__(self, rank: int, size: int, host: Host, shares_memory: bool) -> None:
        self.rank, self.size, self.host, self.shares_memory = rank, size, host, shares_memory

    def barrier(self) -> None:
        self.host.barrier.wait(timeout=10)

    def share(self, tensors: list[Tensor]) -> list[Tensor]:
        if self.rank == 0:
            self.host.shared = tensors
        self.barrier()
        return self.host.shared

    def gather(self, value: Any) -> list[Any]:
        self.host.values[self.rank] = value
        self.barrier()
        found = [self.host.values[rank] for rank in range(self.size)]
        self.barrier()
        return found

    def swap(self, tensor: Tensor | None, into: Tensor | None, peer: int) -> None:
        if tensor is not None:
            self.host.boxes[self.rank, peer].put(tensor.clone())
        if into is not None:
            into.copy_(self.host.boxes[peer, self.rank].get(timeout=10))


class Host:
    """What the threads of one group have in common."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.values: dict[int, Any] = {}
        self.shared: list[Tensor] = []
        self.boxes = {(a, b): queue.Queue[Tensor]() for a in range(size) for b in range(size)}


def together(shards: int, workers: int, shares_memory: bool) -> list[Reduced]:
    values = gradients(shards)
    host = Host(workers)
    found: list[Any] = [None] * workers

    def work(rank: int) -> None:
        group: Any = Threads(rank, workers, host, shares_memory)
        reduction = Reduction([7, 6], [10, 12], group)  # there is room for more than the first leaf has
        low, high = owned(rank, workers, shards)
        for _ in range(2):  # what a step leaves behind does not show in the next
            mine = tree_sum(low, high, leaf_of(values)) if high > low else None
            aside = None if mine is None else torch.full((2,), float(high - low))
            found[rank] = reduction(mine, aside, [t.shape for t in values[0]], shards)
            group.barrier()

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


@pytest.mark.parametrize("shares_memory", [True, False])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("shards", [1, 2, 3, 5, 6, 7, 8, 12, 13])
def test_any_number_of_workers_gives_the_bits_of_one(workers: int, shards: int, shares_memory: bool) -> None:
    alone = tree_sum(0, shards, leaf_of(gradients(shards)))
    for reduced in together(shards, workers, shares_memory):
        assert all(torch.equal(alone[leaf], value) for leaf, value in reduced.leaves.items())
        assert torch.equal(reduced.norms, torch.stack(torch._foreach_norm(alone)))
        assert list(reduced.digests) == [leaf_digest(leaf) for leaf in alone]
        assert reduced.aside.tolist() == [shards, shards]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_with_shared_memory_each_leaf_is_updated_by_one(workers: int) -> None:
    updated = [leaf for reduced in together(5, workers, True) for leaf in reduced.leaves]
    assert sorted(updated) == [0, 1]


def test_without_shared_memory_everybody_updates_all() -> None:
    assert [sorted(reduced.leaves) for reduced in together(5, 4, False)] == [[0, 1]] * 4


def test_the_work_is_shared_out() -> None:
    host = Host(1)
    reduction = Reduction([1] * 5, [12, 2, 4, 5, 3], Threads(0, 2, host, False))  # type: ignore[arg-type]
    assert reduction.owners == [0] * 5
    assert shared_out([12, 2, 4, 5, 3], 2) == [0, 0, 1, 1, 1]
    assert shared_out([1, 1, 1], 4) == [0, 1, 2]


def test_the_order_would_show() -> None:
    values = gradients(8)
    in_turn = [sum((v[0] for v in values[1:]), values[0][0])]
    assert not torch.equal(in_turn[0], tree_sum(0, 8, leaf_of(values))[0])
