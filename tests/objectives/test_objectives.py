"""Every objective, by one contract over the registry; and exact values."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from stages.objectives import OBJECTIVES
from stages.objectives.plain import Plain
from stages.objectives.smoothed import Smoothed

LOGITS = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0], [0.0, 1.0]])
LABELS = torch.tensor([0, 0, 1])


@pytest.fixture(params=sorted(OBJECTIVES))
def objective(request: pytest.FixtureRequest) -> Any:
    return OBJECTIVES[request.param]()


def test_it_is_a_sum_over_examples(objective: Any) -> None:
    parts = [objective.loss(LOGITS[i : i + 1], LABELS[i : i + 1], None) for i in range(3)]
    torch.testing.assert_close(objective.loss(LOGITS, LABELS, None), sum(parts))


def test_weights_of_one_change_nothing(objective: Any) -> None:
    torch.testing.assert_close(objective.loss(LOGITS, LABELS, torch.ones(2)), objective.loss(LOGITS, LABELS, None))


def test_it_pulls_towards_the_label(objective: Any) -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    objective.loss(logits, torch.tensor([1]), None).backward()
    assert logits.grad[0, 1] < 0 < logits.grad[0, 0]


def test_plain_values() -> None:
    assert float(Plain().loss(LOGITS[:2], LABELS[:2], None)) == pytest.approx(math.log(2) + math.log(4 / 3))
    weights = torch.tensor([3.0, 1.0])
    assert float(Plain().loss(LOGITS[:1], LABELS[:1], weights)) == pytest.approx(3 * math.log(2))


def test_smoothed_values() -> None:
    # 0.8 + 0.2 / 2 of the weight on the label (probability 3/4), 0.1 on the other (1/4)
    expected = -0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4)
    assert float(Smoothed(0.2).loss(LOGITS[1:2], LABELS[1:2], None)) == pytest.approx(expected)
