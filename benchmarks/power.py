"""How often verification over seeds gives which grade, by the number of seeds and the true difference.

    python -m benchmarks.power        # writes docs/power.md and docs/power.png

Pairs of scores are drawn, graded by stages.verification.grades as those of real runs are, and counted. A score spreads
over seeds normally; both sides of a pair are drawn apart, which is the harder case. Then both sides are drawn from the
real runs that metrics/variance.json keeps: two honest sets of runs, whatever their distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stages.claims import runs
from stages.claims.claiming import STUDY
from stages.reporting.images import PAPER, png, settings
from stages.verification import numbers
from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence, Pair, Predictions

PAGE, PICTURE = Path("docs/power.md"), Path("docs/power.png")
TRIALS = 400
SEEDS = (3, 5, 8, 12, 20)
EFFECTS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)  # true difference, in margins
SPREADS = (0.2, 0.4)  # standard deviation over seeds, in margins
FIXED = Tolerances()
Scores = dict[str, float]
Shares = dict[str, float]  # grade -> how often it is given

HEAD = f"""# What a number of seeds can show

Written by `python -m benchmarks.power`: shares of {TRIALS} simulated verifications, in per cent, as
STATISTICAL / DIFFERENT; the rest is INCONCLUSIVE. Differences and spreads are in units of the margin, and
the scores of a run rise and fall together. At a difference of 0 DIFFERENT is an error, as is STATISTICAL
from a difference of 1 upwards: both are to stay below 5.

![Share of STATISTICAL and of DIFFERENT by the true difference, a line for each number of seeds](power.png)
"""


def shares(pairs: Iterator[tuple[Sequence[Scores], Sequence[Scores]]]) -> Shares:
    """Return how often each grade is given to TRIALS verifications, each the scores of both sides, seed by seed."""
    counts: dict[str, int] = {}
    for _ in range(TRIALS):
        both = enumerate(zip(*next(pairs), strict=True))
        evidence = Evidence(
            differing={"finetune": ["models/finetuned"]}, first_stage="finetune", axis="training conditions",
            predictions=Predictions(rows=2, agreeing=1, largest=0.5),
            pairs=[Pair(seed=seed, reference=reference, derived=derived) for seed, (reference, derived) in both],
        )  # fmt: skip
        given = grade(evidence, FIXED)[0]
        counts[given] = counts.get(given, 0) + 1
    return {name: count / TRIALS for name, count in counts.items()}


def simulated(
    seeds: int, effect: float, spread: float, draw: np.random.Generator
) -> Iterator[tuple[list[Scores], list[Scores]]]:
    """Yield two sides of normal scores, `effect` apart; one draw a run, so its scores rise and fall together."""
    while True:
        noise = draw.normal(0.0, spread, (2, seeds)) - np.array([[0.0], [effect]])
        first, second = (
            [{name: 0.9 + one * margin for name, margin in FIXED.margins.items()} for one in side] for side in noise
        )
        yield first, second


def resampled(
    pool: Sequence[Scores], seeds: int, draw: np.random.Generator
) -> Iterator[tuple[list[Scores], list[Scores]]]:
    """Yield two sides, each drawn with replacement from the runs of `pool`."""
    while True:
        first, second = ([pool[i] for i in side] for side in draw.integers(0, len(pool), (2, seeds)))
        yield first, second


def kept() -> list[Scores]:
    """Return the scores of the runs of metrics/variance.json in which every stream follows one seed."""
    found = [run.scores for run in runs.load(STUDY, "runs") if len(set(run.seeds.values())) == 1]
    scores = [numbers.finite(one, FIXED.margins) for one in found]
    return [one for one in scores if one is not None]


def told(found: Shares) -> str:
    """Return a cell of the tables."""
    return f"{100 * found.get('STATISTICAL', 0):.0f} / {100 * found.get('DIFFERENT', 0):.0f}"


def picture(found: dict[tuple[float, int, float], Shares], path: Path) -> None:
    """Draw the power over the true difference: a panel for each spread, a line for each number of seeds."""
    with settings():
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        for place, spread in enumerate(SPREADS, 1):
            axes = figure.add_subplot(1, len(SPREADS), place)
            for number, seeds in enumerate(SEEDS):
                for name, style in (("STATISTICAL", "-"), ("DIFFERENT", "--")):
                    values = [100 * found[spread, seeds, effect].get(name, 0) for effect in EFFECTS]
                    shade = 0.25 + 0.75 * number / (len(SEEDS) - 1)
                    colour = PAPER.series[0 if name == "STATISTICAL" else 1]
                    axes.plot(EFFECTS, values, style, color=colour, alpha=shade, label=f"{name}, {seeds} seeds")
            axes.set_title(f"spread over seeds: {spread} margins", fontsize=10)
            axes.set_xlabel("true difference, in margins")
            axes.set_ylabel("share of verifications, per cent")
            axes.grid(color=PAPER.grid, linewidth=0.7)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False)
        png(figure, path)


def main() -> None:
    """Write the page and the picture."""
    draw = np.random.default_rng(0)
    lines = [HEAD]
    found = {}
    for spread in SPREADS:
        lines += [f"## Spread over seeds: {spread} margins\n"]
        lines += ["| seeds | " + " | ".join(f"difference {effect:g}" for effect in EFFECTS) + " |"]
        lines += ["|---" * (len(EFFECTS) + 1) + "|"]
        for seeds in SEEDS:
            for effect in EFFECTS:
                found[spread, seeds, effect] = shares(simulated(seeds, effect, spread, draw))
            lines += [f"| {seeds} | " + " | ".join(told(found[spread, seeds, effect]) for effect in EFFECTS) + " |"]
        lines += [""]
    pool = kept()
    if len(pool) > 1:
        lines += ["## Drawn from real runs\n"]
        lines += [f"Both sides are drawn, with replacement, from {len(pool)} real runs of the recipe `smoke`, with"]
        lines += ["other seeds each (metrics/variance.json). They are honest: DIFFERENT is an error.\n"]
        lines += ["| seeds | difference 0 |", "|---|---|"]
        lines += [f"| {seeds} | {told(shares(resampled(pool, seeds, draw)))} |" for seeds in SEEDS]
    PAGE.write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8", newline="\n")
    picture(found, PICTURE)
    print(f"{PAGE} and {PICTURE} say what came out")


if __name__ == "__main__":
    main()
