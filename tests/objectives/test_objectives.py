"""Every objective, by one contract over the registry; and exact values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import InputError
from stages.core.params import imported
from stages.objectives import OBJECTIVES
from stages.objectives.plain import Plain
from stages.objectives.smoothed import Smoothed
from stages.targets.classes.head import Head
from stages.targets.number.head import Head as Number

LOGITS = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0], [0.0, 1.0]])
LABELS = np.array([0, 0, 1])
HEAD = Head({"labels": ["a", "b"]})


def losses(objective: Any, logits: torch.Tensor = LOGITS, labels: np.ndarray = LABELS) -> torch.Tensor:
    return objective.losses(lambda: logits, HEAD, {"label": labels})


@pytest.fixture(params=sorted(OBJECTIVES))
def objective(request: pytest.FixtureRequest) -> Any:
    return imported(OBJECTIVES[request.param])()


def test_each_output_has_a_loss_of_its_own(objective: Any) -> None:
    parts = [losses(objective, LOGITS[i : i + 1], LABELS[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(losses(objective), torch.cat(parts))


def test_it_pulls_towards_the_label(objective: Any) -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    losses(objective, logits, np.array([1])).sum().backward()
    assert logits.grad[0, 1] < 0 < logits.grad[0, 0]


def test_plain_values() -> None:
    assert losses(Plain()).tolist()[:2] == pytest.approx([math.log(2), math.log(4 / 3)])


def test_smoothed_values() -> None:
    # 0.8 + 0.2 / 2 of the weight on the label (probability 3/4), 0.1 on the other (1/4)
    expected = -0.9 * math.log(3 / 4) - 0.1 * math.log(1 / 4)
    assert float(losses(Smoothed(0.2))[1]) == pytest.approx(expected)


def test_numbers_cannot_be_smoothed() -> None:
    part = {"number": np.array([1.0]), "length": np.array([3])}
    with pytest.raises(InputError, match="smoothed needs classes, which this target has not: set plain"):
        Smoothed(0.2).losses(lambda: torch.zeros(1, 1), Number({}), part)
    assert Plain().losses(lambda: torch.full((1, 1), 3.0), Number({}), part).tolist() == [4.0]
