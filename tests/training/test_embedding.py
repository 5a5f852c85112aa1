"""The gradient of a batch's rows is the dense gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.training.embedding import BatchEmbedding

IDS = torch.tensor([[4, 2, 2, 0], [9, 4, 0, 0]])


@pytest.mark.parametrize("padding", [None, 0, 5])
def test_same_bits_as_the_dense_gradient(padding: int | None) -> None:
    torch.manual_seed(0)
    dense = nn.Embedding(12, 6, padding_idx=padding)
    factor = torch.randn(2, 4, 6)
    (dense(IDS) * factor).sum().backward()
    batch = BatchEmbedding(dense).train()
    batch.begin(IDS.flatten())
    out = batch(IDS)
    assert torch.equal(out, dense(IDS))
    (out * factor).sum().backward()
    wanted = dense.weight.grad
    batch.spread(batch.table.grad)
    assert torch.equal(dense.weight.grad, wanted)


def test_clear_leaves_nothing_for_the_next_batch() -> None:
    embedding = nn.Embedding(12, 6)
    batch = BatchEmbedding(embedding).train()
    batch.begin(torch.tensor([1, 2]))
    batch.spread(torch.ones(2, 6))
    batch.clear()
    assert embedding.weight.grad is None
    batch.begin(torch.tensor([3]))
    batch.spread(torch.ones(1, 6))
    assert embedding.weight.grad.sum(1).nonzero().flatten().tolist() == [3]


def test_in_evaluation_any_id_is_looked_up() -> None:
    embedding = nn.Embedding(12, 6)
    batch = BatchEmbedding(embedding).eval()
    assert torch.equal(batch(IDS), embedding(IDS))


def test_the_weight_keeps_its_name() -> None:
    assert list(BatchEmbedding(nn.Embedding(3, 2)).state_dict()) == ["weight"]
