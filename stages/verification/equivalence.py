"""Two sets of runs: shown equivalent, shown different, or neither.

Equivalence is two one-sided t tests against a margin (Schuirmann 1987, doi:10.1007/BF01068419), difference a two-sided
one. Runs of the same seed on both sides are compared as pairs. Both kinds of p value are corrected over the scores by
Holm's method (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Verdict:
    """p values of one score, corrected: small means shown."""

    equivalence: float
    difference: float


def judge(
    reference: Sequence[Scores | None],
    derived: Sequence[Scores | None],
    margins: Mapping[str, float],
    worst: Mapping[str, float],
) -> dict[str, Verdict]:
    """Return a verdict on each score that has a margin. None stands for a crashed run, which counts as the worst.

    The runs at one index share their seed. A score without a `worst`, such as a loss, has no value that a crash could
    count as: with a crash it is never equivalent, and only the other seeds can show it different. Raises ValueError for
    fewer than two seeds.
    """
    names = sorted(margins)
    tests = [_judged(name, reference, derived, margins[name], worst.get(name)) for name in names]
    equivalent = holm([test.equivalence for test in tests])
    different = holm([test.difference for test in tests])
    return {name: Verdict(e, d) for name, e, d in zip(names, equivalent, different, strict=True)}


def _judged(
    name: str, reference: Sequence[Scores | None], derived: Sequence[Scores | None], margin: float, worst: float | None
) -> Verdict:
    sides = zip(*([worst if run is None else run[name] for run in side] for side in (reference, derived)), strict=True)
    gaps = [new - old for old, new in sides if old is not None and new is not None]
    if len(gaps) == len(reference):
        return _test(np.array(gaps), margin)
    return Verdict(1.0, _test(np.array(gaps), margin).difference if len(gaps) > 1 else 1.0)


def _test(gaps: np.ndarray, margin: float) -> Verdict:
    if len(gaps) < 2:
        raise ValueError("a spread needs two runs a side")
    if np.ptp(gaps) == 0:  # no spread: the t statistic is 0 / 0 or infinite
        return Verdict(equivalence=float(abs(gaps[0]) >= margin), difference=float(gaps[0] == 0))
    above = stats.ttest_1samp(gaps, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(gaps, margin, alternative="less").pvalue
    return Verdict(max(float(above), float(below)), float(stats.ttest_1samp(gaps, 0.0).pvalue))


def holm(values: Sequence[float]) -> list[float]:
    """Return p values corrected by Holm's step-down method, in the order given."""
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(np.array(values)[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]
