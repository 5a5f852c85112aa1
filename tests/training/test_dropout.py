"""Masks: a function of the key, at the stated rate, applied to every dropout of a model."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from stages.core.errors import InputError
from stages.repro.draws import undrawn
from stages.training.dropout import Masks


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
    x = torch.ones(100, requires_grad=True)
    with masks:
        out = nn.Dropout(0.5)(x)
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
    x = torch.ones(10)
    with Masks():
        assert torch.equal(nn.Dropout(0.5).eval()(x), x)
        assert torch.equal(nn.functional.dropout(x, 0.0, training=True), x)


def shard(key: int, work: Callable[[], torch.Tensor]) -> torch.Tensor:
    masks = Masks()
    masks.begin(key)
    with undrawn(nn.Identity()), masks:
        return work()


QUERY = torch.randn(2, 4, 7, 4, generator=torch.Generator().manual_seed(0))
DRAWING: list[Callable[[], torch.Tensor]] = [
    lambda: nn.Dropout(0.5)(torch.ones(99)),
    lambda: nn.Dropout(0.5, inplace=True)(torch.ones(99)),
    lambda: nn.functional.dropout(torch.ones(99), p=0.3),
    lambda: nn.functional.scaled_dot_product_attention(QUERY, QUERY, QUERY, dropout_p=0.5),
    lambda: torch.rand([]),
    lambda: torch.rand(3, 5, dtype=torch.float64),
]


@pytest.mark.parametrize("work", DRAWING)
def test_whatever_draws_in_a_shard_draws_from_its_key(work: Callable[[], torch.Tensor]) -> None:
    first = shard(1, work)
    torch.rand(9)  # somebody else's draw
    assert torch.equal(first, shard(1, work))
    assert not torch.equal(first, shard(2, work))


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (lambda: torch.randn(3), "torch"),
        (lambda: nn.functional.dropout1d(torch.ones(2, 3, 4), 0.5), "torch"),
        (lambda: np.random.rand(), "numpy"),
        (lambda: np.random.seed(0), "numpy"),
        (lambda: random.random(), "random"),
    ],
)
def test_any_other_draw_is_refused_by_name(work: Callable[[], torch.Tensor], name: str) -> None:
    with pytest.raises(InputError, match=rf"^Identity: draws random numbers of its own \({name}\)"):
        shard(1, work)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": torch.arange(7).expand(7, 7) < 5},
        {"attn_mask": torch.zeros(2, 1, 7, 7).index_fill(3, torch.tensor([6]), -1e9)},
        {"enable_gqa": True},
    ],
)
def test_attention_with_a_rate_of_almost_nothing_is_attention(options: dict[str, Any]) -> None:
    key = QUERY[:, :2] if "enable_gqa" in options else QUERY.flip(0)
    masks = Masks()
    masks.begin(1)
    plain = nn.functional.scaled_dot_product_attention(QUERY, key, key, **options)
    with masks:
        ours = nn.functional.scaled_dot_product_attention(QUERY, key, key, dropout_p=2**-30, **options)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)
