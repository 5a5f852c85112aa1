"""Whether runs of ours reproduce a published value: shown that they do, shown that they do not, or not shown.

Where only a value is published, the interval is the 95 % prediction interval of one more run of ours, for normal scores
with unknown mean and spread: mean ± t(0.975, n - 1) · sd · sqrt(1 + 1/n) (Hahn and Meeker 1991, Statistical Intervals,
section 4.7). Where a spread is published too, it is the 90 % interval of the difference of the means by Welch's method:
that it lies within the accepted values is two one-sided tests at 5 % (Schuirmann 1987, doi:10.1007/BF01068419).

Within the accepted values: REPRODUCED. Wholly outside: NOT REPRODUCED. Everything else, and fewer runs than asked for:
INCONCLUSIVE. A crashed or diverged run lies outside whatever is accepted: with one, nothing is REPRODUCED.

Each claim is judged at its own level, whichever others are judged beside it. "All are reproduced", on which the exit
code rests, needs no correction: a conjunction of tests at one level has that level (Berger 1982, Technometrics 24:295).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from stages.claims.published import LEAST, Claim, Spread

Verdict = Literal["REPRODUCED", "NOT REPRODUCED", "INCONCLUSIVE"]
LEVEL = 0.95  # of the prediction interval
ALPHA = 0.05  # of each of the two one-sided tests
DIGITS = 9  # ends of intervals are compared to so many decimals: 0.978 - 0.01 is 0.968, whatever the last bit


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on."""

    verdict: Verdict
    reason: str
    runs: int
    crashed: int
    mean: float | None  # of the runs that have a score
    sd: float | None  # null for fewer than two
    interval: tuple[float, float] | None


def judge(claim: Claim, values: Sequence[float | None], asked: int = 0) -> Judgement:
    """Return the verdict on `claim` when our runs scored `values`; None is a run that crashed or diverged.

    asked: runs that were asked for, when these are more than the claim wants: those that are known say nothing alone.
    """
    scores = [value for value in values if value is not None]
    crashed = len(values) - len(scores)
    interval = prediction(scores) if claim.spread is None else difference(scores, claim.published, claim.spread)
    mean = statistics.fmean(scores) if scores else None
    sd = statistics.stdev(scores) if len(scores) > 1 else None

    def said(verdict: Verdict, reason: str) -> Judgement:
        return Judgement(verdict, reason, len(values), crashed, mean, sd, interval)

    wanted = max(LEAST, claim.seeds, asked)
    if len(values) < wanted:
        return said("INCONCLUSIVE", f"{len(values)} runs, wanted at least {wanted}")
    if not scores:
        return said("NOT REPRODUCED", f"all {crashed} runs crashed or diverged")
    if interval is None:
        return said("INCONCLUSIVE", f"{crashed} of {len(values)} runs crashed or diverged")
    (low, high), (least, most) = interval, claim.accepted
    where = f"[{low:.4f}, {high:.4f}]"
    accepted = f"what is accepted, [{least:.4f}, {most:.4f}]"
    if round(high, DIGITS) < least or round(low, DIGITS) > most:
        crashes = f", and {crashed} runs crashed or diverged" if crashed else ""
        return said("NOT REPRODUCED", f"{where} lies wholly outside {accepted}{crashes}")
    if crashed:
        return said("INCONCLUSIVE", f"{crashed} of {len(values)} runs crashed or diverged")
    if least <= round(low, DIGITS) and round(high, DIGITS) <= most:
        return said("REPRODUCED", f"{where} lies within {accepted}")
    return said("INCONCLUSIVE", f"{where} lies partly outside {accepted}")


def prediction(scores: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval that holds one more run's score with probability LEVEL; None for fewer than two scores."""
    n = len(scores)
    if n < 2:
        return None
    mean = statistics.fmean(scores)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * statistics.stdev(scores) * math.sqrt(1 + 1 / n)
    return mean - reach, mean + reach


def difference(scores: Sequence[float], published: float, spread: Spread) -> tuple[float, float] | None:
    """Return the two ends at which one-sided Welch tests at ALPHA cease to reject, on the scale of the score.

    None for fewer than two scores.
    """
    n = len(scores)
    if n < 2:
        return None
    own, other = statistics.variance(scores) / n, spread.sd**2 / spread.n
    freedom = (own + other) ** 2 / (own**2 / (n - 1) + other**2 / (spread.n - 1))  # Welch 1947, Satterthwaite 1946
    mean, error = statistics.fmean(scores), math.sqrt(own + other)
    low, high = stats.t.interval(1 - 2 * ALPHA, freedom, loc=mean - published, scale=error)
    return published + float(low), published + float(high)
