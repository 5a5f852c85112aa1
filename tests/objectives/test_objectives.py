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
from stages.objectives.focal import Focal
from stages.objectives.plain import Plain
from stages.objectives.rdrop import RDrop
from stages.objectives.smoothed import Smoothed
from stages.targets.classes.head import Head
from stages.targets.labels.head import Head as Labels
from stages.targets.number.head import Head as Number
from stages.targets.span.head import Head as Span
from tests.objectives.toy import Fixed

LOGITS = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0], [0.0, 1.0]])
LABELS = np.array([0, 0, 1])
HEAD = Head({"labels": ["a", "b"]})


def losses(objective: Any, logits: torch.Tensor = LOGITS, labels: np.ndarray = LABELS) -> torch.Tensor:
    return objective.losses(
        Fixed(logits), HEAD, {"label": labels, "teacher": list(np.zeros((len(labels), 1, 2), "f4"))}
    )


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


def test_focal_values() -> None:
    # the label has probability 1/2 and 3/4
    expected = [0.5**3 * math.log(2), 0.25**3 * math.log(4 / 3)]
    assert losses(Focal(3.0)).tolist()[:2] == pytest.approx(expected)


def test_focal_values_of_several_labels_are_those_of_each_of_them() -> None:
    part = {"labels": [np.array([1])]}
    found = Focal(2.0).losses(Fixed(torch.tensor([[0.0, math.log(3.0)]])), Labels({"labels": ["a", "b"]}), part)
    assert found.tolist() == pytest.approx([(0.5**2 * math.log(2) + 0.25**2 * math.log(4 / 3)) / 2])


def test_focal_has_a_slope_where_nothing_is_missing() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    losses(Focal(0.5), logits, np.array([0])).sum().backward()
    assert logits.grad.tolist() == [[0.0, 0.0]]


def test_rdrop_values() -> None:
    # P = (1/2, 1/2), Q = (3/4, 1/4)
    one, two = LOGITS[:1], LOGITS[1:2]
    divergence = 0.5 * math.log(2 / 3) + 0.5 * math.log(2) + 0.75 * math.log(3 / 2) + 0.25 * math.log(1 / 2)
    expected = math.log(2) + math.log(4 / 3) + 0.7 / 2 * divergence
    found = RDrop(0.7).losses(Fixed(one, two), HEAD, {"label": LABELS[:1]})
    assert found.tolist() == pytest.approx([expected])


def test_the_passes_of_rdrop_have_other_masks() -> None:
    forward = Fixed(LOGITS)
    calls: list[bool] = []
    RDrop().losses(lambda shift=None, again=False: calls.append(again) or forward(shift), HEAD, {"label": LABELS})
    assert calls == [False, False]


def test_rdrop_values_of_spans_of_windows_of_unlike_length() -> None:
    # windows of 2 and 3 tokens that may be an end; column 0: begins, column 1: ends
    one, two = (torch.from_numpy(np.random.default_rng(i).normal(size=(5, 2)).astype(np.float32)) for i in (1, 2))
    part = {
        "begins": [np.array([-1, 0], np.int32), np.array([-1, 0, 5], np.int32)],
        "span": [np.array([1, 1]), np.array([0, 2])], "length": np.array([2, 3]),
    }  # fmt: skip
    wanted = []
    for rows, truth in ((slice(0, 2), (1, 1)), (slice(2, 5), (0, 2))):
        ends = []
        for end in range(2):
            p, q = (np.exp(x[rows, end].numpy()) / np.exp(x[rows, end].numpy()).sum() for x in (one, two))
            divergence = (p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()
            ends.append(-np.log(p[truth[end]]) - np.log(q[truth[end]]) + 0.5 * divergence)
        wanted.append(np.mean(ends))
    logits = one.requires_grad_()
    found = RDrop(1.0).losses(Fixed(logits, two), Span({}), part)
    assert found.tolist() == pytest.approx(wanted, rel=1e-5)
    found.sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("objective", [Focal(), RDrop()])
def test_what_is_no_probability_is_refused(objective: Any) -> None:
    message = "train.objective: focal and rdrop need classes, which this target has not: set plain"
    with pytest.raises(InputError, match=message):
        objective.losses(Fixed(torch.zeros(1, 1)), Number({}), {"number": np.array([1.0]), "length": np.array([3])})


def test_numbers_cannot_be_smoothed() -> None:
    part = {"number": np.array([1.0]), "length": np.array([3])}
    with pytest.raises(InputError, match="smoothed needs classes, which this target has not: set plain"):
        Smoothed(0.2).losses(Fixed(torch.zeros(1, 1)), Number({}), part)
    assert Plain().losses(Fixed(torch.full((1, 1), 3.0)), Number({}), part).tolist() == [4.0]
