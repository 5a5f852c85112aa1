"""How often verification over seeds gives which grade, by the number of seeds and the true difference.

    python -m benchmarks.power > docs/power.md

Pairs of scores are drawn, graded by stages.verification.grades as those of real runs are, and counted. A score spreads
over seeds normally; both sides of a pair are drawn apart, which is the harder case.
"""

from __future__ import annotations

import numpy as np

from stages.verification.grades import Tolerances, grade
from stages.verification.records import Evidence, Pair, Predictions

TRIALS = 400
SEEDS = (3, 5, 8, 12, 20)
EFFECTS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)  # true difference, in margins
SPREADS = (0.2, 0.4)  # standard deviation over seeds, in margins


def shares(seeds: int, effect: float, spread: float, draw: np.random.Generator) -> dict[str, float]:
    """Return how often each grade is given."""
    fixed = Tolerances()
    counts: dict[str, int] = {}
    for _ in range(TRIALS):
        noise = draw.normal(0.0, spread, (seeds, 2))  # one draw a run: its scores rise and fall together
        pairs = [
            Pair(
                seed=seed,
                reference={name: 0.9 + one * margin for name, margin in fixed.margins.items()},
                derived={name: 0.9 + (other - effect) * margin for name, margin in fixed.margins.items()},
            )
            for seed, (one, other) in enumerate(noise.tolist())
        ]
        evidence = Evidence(
            differing={"finetune": ["models/finetuned"]}, first_stage="finetune", axis="training conditions",
            predictions=Predictions(rows=2, agreeing=1, largest=0.5), pairs=pairs,
        )  # fmt: skip
        given = grade(evidence, fixed)[0]
        counts[given] = counts.get(given, 0) + 1
    return {name: count / TRIALS for name, count in counts.items()}


def main() -> None:
    """Print the tables."""
    draw = np.random.default_rng(0)
    print("# What a number of seeds can show\n")
    print(f"Written by `python -m benchmarks.power`: shares of {TRIALS} simulated verifications, in per cent, as")
    print("STATISTICAL / DIFFERENT; the rest is INCONCLUSIVE. Differences and spreads are in units of the margin, and")
    print("the scores of a run rise and fall together. At a difference of 0 DIFFERENT is an error, as is STATISTICAL")
    print("from a difference of 1 upwards: both are to stay below 5.\n")
    for spread in SPREADS:
        print(f"## Spread over seeds: {spread} margins\n")
        print("| seeds | " + " | ".join(f"difference {effect:g}" for effect in EFFECTS) + " |")
        print("|---" * (len(EFFECTS) + 1) + "|")
        for seeds in SEEDS:
            cells = []
            for effect in EFFECTS:
                found = shares(seeds, effect, spread, draw)
                cells.append(f"{found.get('STATISTICAL', 0):.0%} / {found.get('DIFFERENT', 0):.0%}".replace("%", ""))
            print(f"| {seeds} | " + " | ".join(cells) + " |", flush=True)
        if spread != SPREADS[-1]:
            print()


if __name__ == "__main__":
    main()
