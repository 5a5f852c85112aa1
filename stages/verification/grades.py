"""The grades, and the tolerances and margins by which they are given: fixed here, before any run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from stages.core.params import Section
from stages.verification import equivalence
from stages.verification.records import GRADES, Evidence, Grade


class Tolerances(Section):
    """What counts as equal. Part of every certificate."""

    weight: float = 1e-3  # largest absolute difference of a weight: a few steps of the optimiser at its peak rate
    probability: float = 1e-2  # largest absolute difference of a predicted probability
    agreement: float = 1.0  # share of the test rows with the same predicted class
    score: float = 1e-3  # absolute difference of a score
    seeds: int = 5  # fewer runs than these show nothing about spread
    alpha: float = 0.05  # of every test, after Holm's correction over the scores
    # Margins of equivalence, absolute, of the scores that have one: as the reference's evaluate wrote them beside its
    # scores. Here stand those of classes, for results from before that.
    margins: dict[str, float] = Field(default={"accuracy": 0.01, "macro_f1": 0.02, "mcc": 0.015})
    # What a crashed run counts as. A score that is not named has no worst value: with a crash it is never equivalent.
    worst: dict[str, float] = Field(default={"accuracy": 0.0, "macro_f1": 0.0, "mcc": -1.0})


def tolerances(scores: Mapping[str, Any]) -> Tolerances:
    """Return the tolerances of a reference whose metrics/evaluate.json is `scores`.

    Its `metrics` lists (name, better, margin, worst); without one, as in older results, they are those of classes.
    """
    judged = [(name, margin, worst) for name, _, margin, worst in scores.get("metrics", []) if margin is not None]
    if not judged:
        return Tolerances()
    return Tolerances(
        margins={name: margin for name, margin, _ in judged},
        worst={name: worst for name, _, worst in judged if worst is not None},
    )


def worst(grades: list[Grade]) -> Grade:
    """Return the worst of `grades`; of none, INCONCLUSIVE."""
    return max(grades, key=GRADES.index, default="INCONCLUSIVE")


def at_least(grade: Grade, wanted: Grade) -> bool:
    """Tell whether `grade` is `wanted` or better."""
    return GRADES.index(grade) <= GRADES.index(wanted)


def grade(evidence: Evidence, tolerances: Tolerances) -> tuple[Grade, str]:
    """Return the grade that the evidence earns, and why, in one sentence."""
    if evidence.failed_stage is not None:
        if evidence.failed_stage == "download":
            return "INCONCLUSIVE", "nothing could be derived: the download stage failed"
        return "DIFFERENT", f"the {evidence.failed_stage} stage failed, and it had not for the reference"
    foreign = [i.name for i in evidence.inputs if i.kind not in ("package", "environment")]
    if foreign:  # whatever came out: dvc.lock states what was not run
        names = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        return "DIFFERENT", f"other inputs than those of the reference: {names}"
    if not evidence.differing and evidence.undone is not None:
        return "INCONCLUSIVE", f"the same digests, but {evidence.undone}"
    if not evidence.differing:
        return "BITWISE", f"all {sum(evidence.compared.values())} outputs have the same digest"
    if evidence.first_stage in ("download", "preprocess", "tokenize"):
        return "DIFFERENT", f"{evidence.first_stage} wrote other data, which no rounding explains"
    if evidence.axis == "model architecture":
        return "DIFFERENT", "another model"
    far = distances(evidence, tolerances)
    if far == []:
        return "NUMERIC", "weights, probabilities and scores within the tolerances, every prediction the same"
    if evidence.pairs:
        return _statistical(evidence, tolerances)
    return "INCONCLUSIVE", f"other bits; {far[0] if far else 'the reference is not here to measure how far off'}"


def distances(evidence: Evidence, tolerances: Tolerances) -> list[str] | None:
    """Return what lies outside the tolerances, each said in words; None when it could not all be measured."""
    weights, predictions = evidence.weights, evidence.predictions
    far = []
    if weights is not None and weights.largest > tolerances.weight:
        far.append(f"a weight is {weights.largest:.3g} off ({weights.tensor})")
    if predictions is not None:
        if predictions.agreeing < tolerances.agreement * predictions.rows:
            far.append(f"{predictions.rows - predictions.agreeing} of {predictions.rows} predictions differ")
        if predictions.largest > tolerances.probability:
            far.append(f"a probability is {predictions.largest:.3g} off")
    for name, score in evidence.scores.items():
        if score.reference is None or score.derived is None:
            if score.reference is not score.derived:
                far.append(f"{name} is defined in one run alone")
        elif abs(score.reference - score.derived) > tolerances.score:
            far.append(f"{name} is {score.derived:.6g}, not {score.reference:.6g}")
    measured = weights is not None and predictions is not None and evidence.scores
    return far if far or measured else None


def _statistical(evidence: Evidence, tolerances: Tolerances) -> tuple[Grade, str]:
    pairs = [pair for pair in evidence.pairs if pair.reference is not None or pair.derived is not None]
    if len(pairs) < tolerances.seeds:
        crashed = f", and {n} that crashed on both sides" if (n := len(evidence.pairs) - len(pairs)) else ""
        return "INCONCLUSIVE", f"{len(pairs)} seeds{crashed}, wanted at least {tolerances.seeds}"
    if not tolerances.margins:
        return "INCONCLUSIVE", "no score has a margin within which it is equivalent"
    reference = [pair.reference for pair in pairs]
    derived = [pair.derived for pair in pairs]
    verdicts = equivalence.judge(reference, derived, tolerances.margins, tolerances.worst)
    if all(v.equivalence <= tolerances.alpha for v in verdicts.values()):
        largest = max(v.equivalence for v in verdicts.values())
        return "STATISTICAL", f"equivalent within the margins over {len(pairs)} seeds (p ≤ {largest:.2g})"
    apart = [f"{n} (p = {v.difference:.2g})" for n, v in verdicts.items() if v.difference <= tolerances.alpha]
    if apart:
        return "DIFFERENT", f"shown to differ over {len(pairs)} seeds: {', '.join(apart)}"
    return "INCONCLUSIVE", f"{len(pairs)} seeds show neither equivalence nor difference"
