"""Masks: a function of the key, at the stated rate, applied to every dropout of a model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.training.dropout import Masks, StreamDropout, attention


def mask(key: int, rate: float, count: int = 1_000_000, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    masks = Masks()
    masks.begin(key)
    return masks.drop(torch.ones(count, dtype=dtype), rate)


def test_the_same_key_gives_the_same_masks_in_turn() -> None:
    one, two = Masks(), Masks()
    for masks in (one, two):
        masks.begin(7)
    like = torch.ones(33, 5)
    first, second = one.drop(like, 0.5), one.drop(like, 0.5)
    assert torch.equal(first, two.drop(like, 0.5))
    assert torch.equal(second, two.drop(like, 0.5))
    assert not torch.equal(first, second)


def test_another_key_gives_another_mask() -> None:
    assert not torch.equal(mask(1, 0.5, 100), mask(2, 0.5, 100))


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9, 2**-16])
def test_the_rate_is_within_five_standard_errors(rate: float) -> None:
    dropped = float((mask(3, rate) == 0).double().mean())
    assert abs(dropped - rate) < 5 * (rate * (1 - rate) / 1e6) ** 0.5 + 2**-17


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_what_is_kept_is_scaled_up(rate: float) -> None:
    assert set(mask(4, rate).tolist()) == {0.0, torch.tensor(1 / (1 - rate)).item()}


def test_neighbours_are_independent() -> None:
    kept = (mask(5, 0.5) > 0).double() - 0.5
    for lag in (1, 2, 3, 4, 8, 64, 384):
        assert abs(float((kept[lag:] * kept[:-lag]).mean() * 4)) < 5e-3


def test_the_type_does_not_change_the_decisions() -> None:
    assert torch.equal(mask(6, 0.1, 1000) > 0, mask(6, 0.1, 1000, torch.bfloat16) > 0)


def test_a_mask_without_a_key_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without a shard's key"):
        Masks().drop(torch.ones(3), 0.1)


def test_gradient_passes_where_the_value_passed() -> None:
    masks = Masks()
    masks.begin(1)
    layer = StreamDropout(0.5, masks)
    x = torch.ones(100, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())
    assert 0 < int((out == 0).sum()) < 100


def test_values_are_scaled_not_replaced() -> None:
    masks = Masks()
    masks.begin(1)
    x = torch.tensor([-3.0, 0.5, 2.0] * 50)
    out = masks.drop(x, 0.25)
    assert torch.equal(out, torch.where(out == 0, out, x * (1 / 0.75)))


def test_no_dropout_in_evaluation() -> None:
    layer = StreamDropout(0.5, Masks()).eval()
    x = torch.ones(10)
    assert torch.equal(layer(x), x)


def test_attention_with_a_rate_of_almost_nothing_is_attention() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 4, dtype=torch.float32) for _ in range(3))
    hidden = torch.zeros(2, 1, 7, 7)
    hidden[1, :, :, 5:] = torch.finfo(torch.float32).min
    module = nn.Module().train()
    module.reprise_masks = Masks()
    module.reprise_masks.begin(1)
    kept, _ = attention(module, query, key, value, hidden, dropout=2**-30)
    plain, _ = attention(module.eval(), query, key, value, hidden, dropout=0.0)
    assert kept.shape == (2, 7, 3, 4)
    torch.testing.assert_close(kept, plain, rtol=1e-5, atol=1e-6)
