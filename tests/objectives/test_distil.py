"""Distillation against its formula, in NumPy, for every kind of output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import InputError
from stages.objectives.distil import Distil
from stages.targets.classes.head import Head as Classes
from stages.targets.labels.head import Head as Labels
from stages.targets.number.head import Head as Number
from stages.targets.span.head import Head as Span
from stages.targets.tags.head import Head as Tags
from tests.objectives.toy import Fixed

DRAW = np.random.default_rng(5)
STUDENT, TEACHER = DRAW.normal(size=(2, 5, 3)).astype(np.float32) * 2
CLASSES = Classes({"labels": ["a", "b", "c"]})
TRUTH = np.array([0, 2, 1, 1, 0])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(np.asarray(logits, np.float64))
    return powers / powers.sum(axis=-1, keepdims=True)


def divergence(teacher: np.ndarray, student: np.ndarray, temperature: float) -> np.ndarray:
    """Return T^2 KL of the last axis."""
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return temperature**2 * (p * np.log(p / q)).sum(axis=-1)


def losses(objective: Distil, head: Any, part: dict[str, Any], student: np.ndarray, teacher: list[np.ndarray]) -> Any:
    return objective.losses(Fixed(torch.from_numpy(student)), head, {**part, "teacher": teacher}).tolist()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_classes(temperature: float, weight: float) -> None:
    hard = -np.log(softmax(STUDENT)[np.arange(5), TRUTH])
    wanted = (1 - weight) * hard + weight * divergence(TEACHER, STUDENT, temperature)
    found = losses(Distil(temperature, weight), CLASSES, {"label": TRUTH}, STUDENT, list(TEACHER[:, None]))
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_the_gradient_at_high_temperature_is_that_of_matched_logits() -> None:
    """Section 2.1 of the paper: for logits of mean 0, (student - teacher) / classes."""
    student, teacher = (x - x.mean(axis=1, keepdims=True) for x in (STUDENT, TEACHER))
    logits = torch.from_numpy(student).requires_grad_()
    part = {"label": TRUTH, "teacher": list(teacher[:, None])}
    Distil(100.0, 1.0).losses(Fixed(logits), CLASSES, part).sum().backward()
    np.testing.assert_allclose(logits.grad.numpy(), (student - teacher) / 3, atol=0.05)


def test_tags_of_windows_that_own_several_words_or_none() -> None:
    head = Tags({"labels": ["O", "B", "I"]})
    part = {
        "length": np.array([4, 2, 3]), "places": [np.array([1, -1, 2]), np.array([-1]), np.array([0, 1, 2])],
        "tags": [np.array([0, 1, 2]), np.array([0]), np.array([1, 1, 0])],
    }  # fmt: skip
    truth = np.array([0, 2, 1, 1, 0])
    wanted = 0.5 * -np.log(softmax(STUDENT)[np.arange(5), truth]) + 0.5 * divergence(TEACHER, STUDENT, 2.0)
    found = losses(Distil(2.0, 0.5), head, part, STUDENT, [TEACHER[:2], TEACHER[2:2], TEACHER[2:]])
    assert found == pytest.approx(wanted, rel=1e-5)


def test_labels_are_independent() -> None:
    held = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]])
    student, teacher = (np.stack([np.zeros_like(x), x], axis=-1) for x in (STUDENT, TEACHER))
    hard = -np.log(np.take_along_axis(softmax(student), held[..., None], axis=-1))[..., 0]
    wanted = (0.2 * hard + 0.8 * divergence(teacher, student, 3.0)).mean(axis=1)
    part = {"labels": [np.flatnonzero(row) for row in held]}
    found = losses(Distil(3.0, 0.8), Labels({"labels": ["a", "b", "c"]}), part, STUDENT, list(TEACHER[:, None]))
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_spans_of_windows_of_unlike_length(temperature: float) -> None:
    student, teacher = STUDENT[:, :2], TEACHER[:, :2]
    part = {
        "begins": [np.array([-1, 0], np.int32), np.array([-1, 0, 5], np.int32)],
        "span": [np.array([1, 1]), np.array([0, 2])], "length": np.array([2, 3]),
    }  # fmt: skip
    windows = (slice(0, 2), slice(2, 5))
    wanted = [divergence(teacher[rows].T, student[rows].T, temperature).mean() for rows in windows]
    found = losses(Distil(temperature, 1.0), Span({}), part, student, [teacher[rows] for rows in windows])
    assert found == pytest.approx(wanted, rel=1e-5)


def test_numbers() -> None:
    part, student = {"number": np.array([1.0, 2.0]), "length": np.array([3, 3])}, np.array([[3.0], [2.5]], np.float32)
    found = losses(Distil(1.0, 0.25), Number({}), part, student, [np.array([[2.0]], "f4"), np.array([[0.5]], "f4")])
    assert found == pytest.approx([0.75 * 4 + 0.25 * 1, 0.75 * 0.25 + 0.25 * 4])
    message = "train.objective.temperature: found 2.0, wanted 1: a number has no classes"
    with pytest.raises(InputError, match=message):
        losses(Distil(2.0), Number({}), part, student, [np.array([[2.0]], "f4"), np.array([[0.5]], "f4")])
