"""Equivalence and difference over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.verification.equivalence import Verdict, holm, judge

MARGIN = {"accuracy": 0.01}
WORST = {"accuracy": 0.0}


def runs(values: list[float]) -> list[dict[str, float] | None]:
    return [{"accuracy": value} for value in values]


def test_pairs_against_the_worked_t_statistics() -> None:
    """Gaps of 1, 2, 3 thousandths: t = 8 and 2 times sqrt(3), whose tail at 2 degrees is (1 - t / sqrt(2 + t²)) / 2."""
    found = judge(runs([0.9, 0.91, 0.92]), runs([0.901, 0.912, 0.923]), MARGIN, WORST)["accuracy"]
    assert found.equivalence == pytest.approx((1 - 192**0.5 / 194**0.5) / 2)
    assert found.difference == pytest.approx(1 - 12**0.5 / 14**0.5)


@pytest.mark.parametrize(
    ("gap", "verdict"), [(0.0, Verdict(0.0, 1.0)), (0.005, Verdict(0.0, 0.0)), (0.25, Verdict(1.0, 0.0))]
)
def test_without_spread_the_gap_decides(gap: float, verdict: Verdict) -> None:
    assert judge(runs([0.5] * 3), runs([0.5 + gap] * 3), MARGIN, WORST)["accuracy"] == verdict


@pytest.mark.parametrize("worst", [0.0, -1.0])
def test_a_crashed_run_counts_as_the_worst(worst: float) -> None:
    old, new = runs([0.9, 0.91, 0.92]), runs([0.9, 0.91])
    crashed = judge(old, [*new, None], MARGIN, {"accuracy": worst})["accuracy"]
    assert crashed == judge(old, [*new, *runs([worst])], MARGIN, WORST)["accuracy"]
    assert crashed.equivalence > 0.5


@pytest.mark.parametrize(
    ("derived", "different"),
    [([0.10, 0.11, 0.12, None], False), ([0.1, None, None, None], False), ([0.3, 0.32, 0.31, None], True)],
)
def test_a_crash_never_helps_a_loss(derived: list[float | None], different: bool) -> None:
    """0 would be the best loss: 0.13 is 'reached' by a run that crashed."""
    new = [None if value is None else {"loss": value} for value in derived]
    old = [{"loss": value} for value in (0.10, 0.11, 0.12, 0.13)]
    found = judge(old, new, {"loss": 0.5}, {})["loss"]
    assert (found.equivalence, found.difference < 0.01) == (1.0, different)
    assert judge(new, old, {"loss": 0.5}, {})["loss"].equivalence == 1.0


def test_one_run_a_side_has_no_spread() -> None:
    with pytest.raises(ValueError, match="two runs a side"):
        judge(runs([0.9]), runs([0.9]), MARGIN, WORST)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_raises_every_value_the_least_as_bonferroni_does_and_keeps_the_order(values: list[float]) -> None:
    found = holm(values)
    assert all(one <= corrected for one, corrected in zip(values, found, strict=True))
    assert min(found) == pytest.approx(min(1.0, min(values) * len(values)))
    assert [found[i] for i in np.argsort(values, kind="stable")] == sorted(found)


def test_honest_runs_are_called_different_in_no_more_than_alpha_of_cases() -> None:
    draw = np.random.default_rng(0)
    margins = {"accuracy": 0.01, "macro_f1": 0.02}
    called = 0
    for _ in range(400):
        sides = [[dict(zip(margins, row, strict=True)) for row in draw.normal(0.9, 0.004, (5, 2))] for _ in range(2)]
        called += any(v.difference <= 0.05 for v in judge(*sides, margins, {}).values())
    assert called / 400 <= 0.05 + 0.022  # two standard errors
