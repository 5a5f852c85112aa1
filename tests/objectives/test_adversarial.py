"""FGM, PGD and FreeLB against their formulas, in NumPy, on a model whose gradient is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stages.objectives.fgm import FGM
from stages.objectives.freelb import FreeLB
from stages.objectives.perturbation import projected
from stages.objectives.pgd import PGD
from stages.targets.classes.head import Head
from tests.objectives.toy import Toy

DRAW = np.random.default_rng(3)
WINDOWS = [DRAW.normal(size=(length, 4)) for length in (3, 1, 5)]
NOISE = [DRAW.uniform(-1, 1, window.shape) for window in WINDOWS]
MATRIX = DRAW.normal(size=(4, 3))
LABELS = [0, 2, 1]
HEAD = Head({"labels": ["a", "b", "c"]})


def tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))


def forward(rows: slice = slice(None)) -> Toy:
    return Toy([tensor(w) for w in WINDOWS[rows]], tensor(MATRIX), tensor(np.concatenate(NOISE[rows])))


def loss(window: np.ndarray, label: int) -> tuple[float, np.ndarray]:
    """Return the cross-entropy of a window, and its gradient by the window's embeddings."""
    logits = window.mean(axis=0) @ MATRIX
    chances = np.exp(logits) / np.exp(logits).sum()
    slope = MATRIX @ (chances - np.eye(3)[label]) / len(window)
    return float(-np.log(chances[label])), np.tile(slope, (len(window), 1))


def climbed(window: np.ndarray, noise: np.ndarray, label: int, epsilon: float, size: float, steps: int) -> list[float]:
    """Return the loss at the start of an ascent and after each step."""
    shift = noise * epsilon / np.sqrt(window.size)
    found = []
    for _ in range(steps + 1):
        value, slope = loss(window + shift, label)
        found.append(value)
        shift = shift + size * slope / np.sqrt((slope**2).sum())
        length = np.sqrt((shift**2).sum())
        shift = shift * min(1.0, epsilon / length)
    return found


def losses(objective: Any, made: Toy, rows: slice = slice(None)) -> list[float]:
    return objective.losses(made, HEAD, {"label": np.array(LABELS[rows])}).tolist()


def test_fgm() -> None:
    wanted = []
    for window, label in zip(WINDOWS, LABELS, strict=True):
        value, slope = loss(window, label)
        wanted.append(value + loss(window + 0.5 * slope / np.sqrt((slope**2).sum()), label)[0])
    assert losses(FGM(0.5), forward()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("epsilon", [0.3, 2.0])  # within reach of the ascent, and beyond
def test_pgd(epsilon: float) -> None:
    wanted = [climbed(w, n, y, epsilon, 0.2, 3)[-1] for w, n, y in zip(WINDOWS, NOISE, LABELS, strict=True)]
    assert losses(PGD(epsilon, 0.2, 3), forward()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("epsilon", [0.3, 2.0])
def test_freelb(epsilon: float) -> None:
    wanted = [np.mean(climbed(w, n, y, epsilon, 0.2, 2)) for w, n, y in zip(WINDOWS, NOISE, LABELS, strict=True)]
    assert losses(FreeLB(epsilon, 0.2, 3), forward()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("objective", [FGM(), PGD(), FreeLB()])
def test_all_passes_have_the_same_masks(objective: Any) -> None:
    made = forward()
    losses(objective, made)
    assert (made.anew, len(made.shifts)) == (0, {FGM: 2, PGD: 4, FreeLB: 3}[type(objective)])


def test_the_gradient_of_freelb_is_the_mean_of_those_on_the_way() -> None:
    made = forward()
    made.matrix.requires_grad_()
    FreeLB(1.0, 0.2, 3).losses(made, HEAD, {"label": np.array(LABELS)}).sum().backward()
    wanted = torch.zeros_like(made.matrix)
    for shift in made.shifts:
        other = forward()
        other.matrix.requires_grad_()
        HEAD.losses(other(shift), {"label": np.array(LABELS)}, 0.0).sum().backward()
        wanted += other.matrix.grad / 3
    torch.testing.assert_close(made.matrix.grad, wanted)


def test_the_weights_of_losses_do_not_change_a_window_s_direction() -> None:
    one, other = forward(), forward()
    other.weights = torch.tensor([7.0, 0.5, 2.0])
    assert losses(FGM(), one) == pytest.approx(losses(FGM(), other), rel=1e-6)


def test_a_window_without_a_slope_is_not_shifted() -> None:
    made = forward()
    made.matrix = torch.zeros(4, 3)
    assert losses(FGM(), made) == pytest.approx([2 * np.log(3)] * 3)
    assert made.shifts[-1].abs().max() == 0


def test_a_projection_moves_what_is_outside_alone() -> None:
    shift = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    found = projected(shift, torch.tensor([0, 1, 2]), 1.0)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))
