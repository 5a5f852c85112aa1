"""How much of a score's spread over runs each source of randomness explains.

One stream's seed varies while the others stay as params.yaml has them: the spread over these runs is that source's own,
as in Bouthillier et al. 2021 (Accounting for Variance in Machine Learning Benchmarks, arXiv:2103.03098). All streams
vary together for the total, those too that params.yaml pins. No run belongs to two groups, and no seed of the total is
that of a stream elsewhere, so the total is independent of the others.

Intervals are of 95 %, for normal scores: of a standard deviation by the chi-square distribution of (n - 1) s² / σ²
(Hahn and Meeker 1991, Statistical Intervals, section 4.3), of a share by the F distribution of the ratio of two
variances. Whether scores are normal is asked of Shapiro and Wilk's test (1965, Biometrika 52:591). What is measured is
the spread around one choice of the other seeds, so shares need not add up to 1: the rest is what sources do together,
and chance.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence

from pydantic import Field
from scipy import stats

from stages.claims.series import Draw
from stages.core.params import Section
from stages.verification.plan import Plan

LEVEL = 0.95
TOTAL = "all together"
ALPHA = 0.05  # of the test of normal scores


class Spread(Section):
    """One group of runs."""

    seeds: list[int] = Field(description="of the stream that varies, or of the whole run")
    values: list[float | None] = Field(description="the score of each; null: crashed or diverged")
    mean: float | None
    sd: float | None = Field(description="null for fewer than two scores")
    interval: list[float] | None = Field(description="95 % interval of sd")
    normality: float | None = Field(default=None, description="p value of Shapiro and Wilk's test of normal scores")
    share: float | None = Field(default=None, description="of the variance of all together")
    share_interval: list[float] | None = None

    @property
    def crashed(self) -> int:
        """Return how many runs crashed or diverged: the spread is that of the others."""
        return self.values.count(None)


class Study(Section):
    """What came out."""

    recipe: str | None
    metric: str
    groups: dict[str, Spread] = Field(description="stream -> runs in which it alone varied; 'all together': the total")


def draws(plan: Plan, count: int) -> dict[str, dict[int, Draw]]:
    """Return the `count` runs of each group of the study, {group: {seed: draw}}, TOTAL last.

    TOTAL has the first seeds that the plan itself does not use, as claims do whose runs can be taken then; the streams
    have those that follow.
    """
    own = set(plan.seeds(plan.seed, {}).values())
    seeds = list(itertools.islice((seed for seed in itertools.count(1) if seed not in own), 2 * count))
    pinned = [name for name, value in plan.streams.items() if value is not None]
    groups = {name: {seed: Draw(plan.seed, ((name, seed),)) for seed in seeds[count:]} for name in sorted(plan.streams)}
    return {**groups, TOTAL: {seed: Draw(seed, tuple((name, seed) for name in pinned)) for seed in seeds[:count]}}


def study(recipe: str | None, metric: str, made: Mapping[str, Mapping[int, float | None]]) -> Study:
    """Return the spread of each group of `made`, {group: {seed: score}}, and its share of TOTAL's variance."""
    alone = {name: spread(list(runs), list(runs.values())) for name, runs in made.items()}
    total = alone[TOTAL]
    groups = {TOTAL: total} | {name: shared(one, total) for name, one in alone.items() if name != TOTAL}
    return Study(recipe=recipe, metric=metric, groups={name: groups[name] for name in made})


def spread(seeds: Sequence[int], values: Sequence[float | None]) -> Spread:
    """Return mean and standard deviation of the scores, with its interval."""
    scores = [value for value in values if value is not None]
    found = Spread(
        seeds=list(seeds),
        values=list(values),
        mean=statistics.fmean(scores) if scores else None,
        sd=None,
        interval=None,
    )
    if len(scores) < 2:
        return found
    sd, freedom = statistics.stdev(scores), len(scores) - 1
    tails = stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], freedom)
    interval = [sd * float(freedom / tail) ** 0.5 for tail in tails]
    normality = None
    if len(scores) > 2 and sd > 0:
        normality = float(stats.shapiro([(score - float(found.mean or 0)) / sd for score in scores]).pvalue)
    return found.model_copy(update={"sd": sd, "interval": interval, "normality": normality})


def shared(source: Spread, total: Spread) -> Spread:
    """Return `source` with its share of the variance of `total`, and the interval of the share; as it is without."""
    if source.sd is None or not total.sd:
        return source
    share = (source.sd / total.sd) ** 2
    freedoms = [len(group.values) - group.crashed - 1 for group in (source, total)]
    tails = stats.f.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], *freedoms)
    return source.model_copy(update={"share": share, "share_interval": [share / float(tail) for tail in tails]})
