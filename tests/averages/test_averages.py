"""Every average against its formula, by what a run passes through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stages.averages.ema import EMA
from stages.averages.none import Last
from stages.averages.swa import SWA
from stages.training.averaging import Averaged

EPOCH, STEPS = 4, 12
PATH = np.random.default_rng(2).normal(size=(STEPS + 1, 3))  # the weights at the start and after each step


def averages(average: Any) -> list[np.ndarray]:
    """Return what is kept after each step."""
    weight = torch.from_numpy(PATH[0]).clone()
    averaged = Averaged(average, {"w": weight})
    found = []
    for step in range(1, STEPS + 1):
        weight.copy_(torch.from_numpy(PATH[step]))
        averaged.follow(step, STEPS, EPOCH, lambda _: True)
        found.append(averaged.weights()["w"].numpy().copy())
    return found


def test_none() -> None:
    assert Averaged(Last(), {"w": torch.ones(3)}).tensors == {}
    np.testing.assert_array_equal(averages(Last()), PATH[1:])


def test_ema() -> None:
    for step, found in enumerate(averages(EMA(0.8)), start=1):
        weights = 0.8 ** np.arange(step - 1, -1, -1)
        np.testing.assert_allclose(found, weights @ PATH[1 : step + 1] / weights.sum())


@pytest.mark.parametrize(
    ("average", "points"),
    [
        (SWA("epoch", 0.0), [4, 8, 12]),
        (SWA("epoch", 1 / 3), [4, 8, 12]),  # the first point is where the fraction ends
        (SWA("epoch", 0.5), [8, 12]),
        (SWA(3, 0.4), [6, 9, 12]),
        (SWA(5, 0.25), [5, 10]),
        (SWA(1, 0.75), [9, 10, 11, 12]),
    ],
)
def test_swa(average: SWA, points: list[int]) -> None:
    for step, found in enumerate(averages(average), start=1):
        passed = [point for point in points if point <= step]
        np.testing.assert_allclose(found, PATH[passed or [step]].mean(axis=0))


def test_a_worker_moves_what_it_owns_alone() -> None:
    one, other = torch.zeros(2), torch.zeros(2)
    averaged = Averaged(EMA(0.5), {"one": one, "other": other})
    one += 1
    other += 1
    averaged.follow(1, 2, 1, lambda parameter: parameter is one)
    assert {name: t.tolist() for name, t in averaged.tensors.items()} == {
        "one/average": [1.0, 1.0],
        "other/average": [0.0, 0.0],
    }


def test_the_model_has_the_average_while_it_is_instated() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    averaged = Averaged(EMA(0.5), {"w": weight})
    with torch.no_grad():
        weight += 3
    with averaged.instated():
        assert weight.tolist() == [0.0, 0.0]
    assert (weight.tolist(), averaged.tensors["w/average"].tolist()) == ([3.0, 3.0], [0.0, 0.0])
