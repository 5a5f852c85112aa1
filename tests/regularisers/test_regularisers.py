"""Every regulariser against its formula; and none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.core.params import imported
from stages.regularisers import REGULARISERS
from stages.regularisers.l2sp import L2SP
from stages.regularisers.mixout import Mixout

WEIGHT = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
START = torch.tensor([[1.0, 1.0], [1.0, 8.0]])


def draw() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("name", sorted(REGULARISERS))
def test_what_holds_does_something(name: str) -> None:
    made = imported(REGULARISERS[name])()
    does = made.penalty(WEIGHT, START, False) is not None or made.factor((2, 2), False, draw) is not None
    assert made.holds is does


def test_l2sp() -> None:
    weight = WEIGHT.clone().requires_grad_()
    found = L2SP(0.5, 0.1).penalty(weight, START, False)
    assert found.item() == pytest.approx(0.25 * (0 + 1 + 4 + 16))
    found.backward()
    torch.testing.assert_close(weight.grad, 0.5 * (WEIGHT - START))
    assert float(L2SP(0.5, 0.1).penalty(WEIGHT, START, True)) == pytest.approx(0.05 * (1 + 4 + 9 + 16))


def test_mixout() -> None:
    factor = Mixout(0.25).factor((400, 500), False, draw)
    mask = (factor == 0).double()  # where the weight is that of the start
    assert float(mask.mean()) == pytest.approx(0.25, abs=0.005)
    draws = np.random.default_rng(1)
    weight, start = (torch.from_numpy(draws.normal(size=(400, 500))) for _ in range(2))
    wanted = (mask * start + (1 - mask) * weight - 0.25 * start) / 0.75
    torch.testing.assert_close(start + factor.double() * (weight - start), wanted, rtol=1e-5, atol=1e-5)


def test_mixout_leaves_what_was_drawn() -> None:
    assert Mixout(0.5).factor((2, 2), True, draw) is None
