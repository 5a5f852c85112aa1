"""The trace: one changed bit anywhere changes its line and every chain after it."""

from __future__ import annotations

import hashlib

import torch
import xxhash

from stages.training.trace import Trace, leaf_digest


def lines(gradients: list[torch.Tensor]) -> list[str]:
    trace = Trace("")
    return [trace.line(step, 0.5, 1.0, [leaf_digest(gradient)]) for step, gradient in enumerate(gradients, 1)]


def test_a_flipped_bit_parts_the_traces_from_that_step_on() -> None:
    gradients = [torch.full((4,), float(step)) for step in range(5)]
    flipped = [g.clone() for g in gradients]
    flipped[2].view(torch.int32)[3] ^= 1
    same = [one == other for one, other in zip(lines(gradients), lines(flipped), strict=True)]
    assert same == [True, True, False, False, False]


def test_the_digest_is_of_the_bytes() -> None:
    assert leaf_digest(torch.tensor([1.0, 2.0])) == leaf_digest(torch.tensor([[1.0], [2.0]]))
    assert leaf_digest(torch.tensor([0.0])) != leaf_digest(torch.tensor([-0.0]))
    assert leaf_digest(torch.arange(6.0).view(2, 3).T) == leaf_digest(torch.tensor([0.0, 3, 1, 4, 2, 5]))


def test_the_order_of_the_leaves_counts() -> None:
    one, two = leaf_digest(torch.tensor([1.0])), leaf_digest(torch.tensor([2.0]))
    assert Trace("").line(1, 0.5, 1.0, [one, two]) != Trace("").line(1, 0.5, 1.0, [two, one])


def test_known_line() -> None:
    leaf = xxhash.xxh3_128(bytes(8)).hexdigest()
    cells = f"1\t0.5\t1.0\t{xxhash.xxh3_128(leaf.encode()).hexdigest()}"
    chain = hashlib.sha256(f"{cells}\n".encode()).hexdigest()
    assert lines([torch.zeros(2)]) == [f"{cells}\t{chain[:32]}\n"]
