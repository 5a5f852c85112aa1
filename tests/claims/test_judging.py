"""The verdict on a claim: intervals of known ends, boundaries, crashes, too few runs."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stages.claims.judging import difference, judge, prediction
from stages.claims.published import Claim, Gap, Source, Spread


def claim(**changes: Any) -> Claim:
    """Return a claim of 0.978 with a gap of -0.02 and a margin of 0.01: [0.948, 0.988] is accepted."""
    return Claim.model_construct(
        **{
            "id": "a", "recipe": "r", "metric": "accuracy", "split": "test", "published": 0.978, "spread": None,
            "gap": Gap(by=-0.02, reason="r"), "margin": 0.01, "reason": "r", "seeds": 5, "model": "m",
            "source": Source(title="t", place="p", quoted="97.8"), **changes,
        }
    )  # fmt: skip


def test_what_is_accepted_reaches_from_the_gap_to_the_published_value_and_a_margin_beyond_both() -> None:
    assert claim().accepted == (0.948, 0.988)
    assert claim(gap=None).accepted == (0.968, 0.988)
    assert claim(gap=Gap(by=0.02, reason="a loss: higher is worse")).accepted == (0.968, 1.008)


def test_the_prediction_interval_by_hand() -> None:
    """Mean 0.97, standard deviation sqrt(2.5) thousandths; t of 4 degrees at 0.975 is 2.776445 (any table)."""
    low, high = prediction([0.968, 0.969, 0.970, 0.971, 0.972]) or (0, 0)
    reach = 2.776445105 * math.sqrt(2.5e-6) * math.sqrt(1.2)
    assert (low, high) == pytest.approx((0.97 - reach, 0.97 + reach), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(0, 1), st.floats(1e-3, 0.1), st.integers(2, 9))
def test_at_the_ends_of_the_interval_welch_s_one_sided_tests_are_at_5_per_cent(
    scores: list[float], published: float, sd: float, n: int
) -> None:
    low, high = difference(scores, published, Spread(sd=sd, n=n)) or (0, 0)
    for end, side in ((low, "greater"), (high, "less")):
        shifted = statistics.fmean(scores) - (end - published)
        ours = (shifted, statistics.stdev(scores), len(scores))
        tested = stats.ttest_ind_from_stats(*ours, published, sd, n, equal_var=False, alternative=side)
        assert tested.pvalue == pytest.approx(0.05, abs=1e-6)


def test_fewer_known_runs_than_were_asked_for_are_inconclusive() -> None:
    known = [0.968, 0.969, 0.970, 0.971, 0.972]
    assert judge(claim(), known).verdict == "REPRODUCED"
    found = judge(claim(), known, asked=10)
    assert (found.verdict, found.reason) == ("INCONCLUSIVE", "5 runs, wanted at least 10")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (0.948, "REPRODUCED"),  # at the very ends
        (0.988, "REPRODUCED"),
        (0.9479, "NOT REPRODUCED"),
        (0.9881, "NOT REPRODUCED"),  # better than published by more than the margin is another result too
    ],
)
def test_without_spread_of_ours_the_value_itself_is_held_against_what_is_accepted(value: float, verdict: str) -> None:
    assert judge(claim(), [value] * 5).verdict == verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.966, 0.968, 0.970, 0.971, 0.973], "REPRODUCED"),
        ([0.945, 0.950, 0.955, 0.960, 0.965], "INCONCLUSIVE"),  # the mean lies well within, the interval does not
        ([0.900, 0.901, 0.902, 0.903, 0.904], "NOT REPRODUCED"),
    ],
)
def test_the_whole_interval_decides(values: list[float], verdict: str) -> None:
    assert judge(claim(), values).verdict == verdict


def test_fewer_runs_than_asked_for_are_inconclusive_whatever_they_say() -> None:
    found = judge(claim(), [0.97] * 4)
    assert (found.verdict, found.reason) == ("INCONCLUSIVE", "4 runs, wanted at least 5")
    assert judge(claim(seeds=7), [0.97] * 6).verdict == "INCONCLUSIVE"
    assert judge(claim(), [0.5] * 4).verdict == "INCONCLUSIVE"
    assert judge(claim(seeds=2), [0.97] * 4).verdict == "INCONCLUSIVE"  # even if a claim asked for fewer
    assert judge(claim(), []).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("values", "verdict", "reason"),
    [
        ([0.97, 0.97, 0.97, 0.97, None], "INCONCLUSIVE", "1 of 5 runs crashed or diverged"),
        ([0.97, None, None, None, None], "INCONCLUSIVE", "4 of 5 runs crashed or diverged"),
        ([0.5, 0.5, 0.5, 0.5, None], "NOT REPRODUCED", ", and 1 runs crashed or diverged"),
        ([None] * 5, "NOT REPRODUCED", "all 5 runs crashed or diverged"),
    ],
)
def test_a_crash_is_an_outcome_outside_all_that_is_accepted(
    values: list[float | None], verdict: str, reason: str
) -> None:
    found = judge(claim(), values)
    assert found.verdict == verdict
    assert found.reason.endswith(reason)
    assert (found.runs, found.crashed) == (5, values.count(None))


def test_a_published_spread_is_judged_by_the_difference_of_the_means() -> None:
    ours = [0.966, 0.968, 0.970, 0.971, 0.973]
    loose, tight = (claim(spread=Spread(sd=sd, n=5), gap=None, published=0.970) for sd in (0.02, 0.001))
    assert judge(loose, ours).verdict == "INCONCLUSIVE"
    assert judge(tight, ours).verdict == "REPRODUCED"
    assert judge(tight, [value - 0.03 for value in ours]).verdict == "NOT REPRODUCED"


@given(st.lists(st.none() | st.floats(0, 1), max_size=9))
def test_reproduced_means_enough_runs_no_crash_and_a_mean_within(values: list[float | None]) -> None:
    found = judge(claim(), values)
    if found.verdict == "REPRODUCED":
        assert len(values) >= 5
        assert None not in values
        assert found.mean is not None
        assert 0.948 <= round(found.mean, 9) <= 0.988
