"""Learning rates, exactly."""

from __future__ import annotations

import pytest

from stages.training.schedule import Schedule


def rates(kind: str, warmup: float, steps: int) -> list[float]:
    schedule = Schedule(kind, 1.0, warmup, steps)  # type: ignore[arg-type]
    return [schedule.rate(step) for step in range(steps)]


def test_linear() -> None:
    assert rates("linear", 0.25, 8) == [0.5, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]


def test_constant() -> None:
    assert rates("constant", 0.5, 4) == [0.5, 1.0, 1.0, 1.0]


def test_cosine() -> None:
    assert rates("cosine", 0.0, 4) == pytest.approx([1.0, 0.8535533905932737, 0.5, 0.14644660940672627], abs=1e-15)


def test_no_warmup_begins_at_the_peak() -> None:
    assert rates("linear", 0.0, 2) == [1.0, 0.5]


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
def test_every_step_learns_and_none_exceeds_the_peak(kind: str) -> None:
    assert all(0 < rate <= 1 for rate in rates(kind, 0.1, 97))
