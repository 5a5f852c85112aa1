"""Grades from evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.verification.grades import Tolerances, at_least, grade, tolerances, worst
from stages.verification.records import GRADES, Evidence, Input, Pair, Predictions, Score, Weights

FIXED = Tolerances()
CLOSE: dict[str, object] = {
    "compared": {"finetune": 2}, "differing": {"finetune": ["models/finetuned"]}, "first_stage": "finetune",
    "axis": "training conditions",
    "weights": Weights(tensors=2, equal=1, largest=1e-5, tensor="a", first_tensor="a", ulp=9),
    "predictions": Predictions(rows=10, agreeing=10, largest=1e-3),
    "scores": {"accuracy": Score(reference=0.9, derived=0.9)},
}  # fmt: skip


def given_to(**changes: object) -> str:
    return grade(Evidence.model_validate({**CLOSE, **changes}), FIXED)[0]


def pairs(gaps: list[float]) -> list[Pair]:
    sides = [(dict.fromkeys(FIXED.margins, 0.9), dict.fromkeys(FIXED.margins, 0.9 + gap)) for gap in gaps]
    return [Pair(seed=i, reference=old, derived=new) for i, (old, new) in enumerate(sides)]


def test_no_difference_is_bitwise() -> None:
    assert grade(Evidence(compared={"download": 2, "finetune": 3}), FIXED) == (
        "BITWISE",
        "all 5 outputs have the same digest",
    )


def test_within_all_tolerances_is_numeric() -> None:
    assert given_to() == "NUMERIC"


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": Weights(tensors=2, equal=1, largest=2e-3, tensor="a", first_tensor="a", ulp=9)},
        {"predictions": Predictions(rows=10, agreeing=9, largest=1e-3)},
        {"predictions": Predictions(rows=10, agreeing=10, largest=0.02)},
        {"scores": {"accuracy": Score(reference=0.9, derived=0.902)}},
        {"scores": {"accuracy": Score(reference=0.9, derived=None)}},
        {"weights": None},
        {"predictions": None},
        {"scores": {}},
    ],
)
def test_beyond_one_tolerance_or_unmeasured_one_run_is_inconclusive(changes: dict[str, object]) -> None:
    assert given_to(**changes) == "INCONCLUSIVE"


@pytest.mark.parametrize(
    "changes",
    [
        {"first_stage": "tokenize"},
        {"axis": "model architecture"},
        {"inputs": [Input(kind="param", name="train.lr", reference="1", derived="2", axis="training conditions")]},
        {"failed_stage": "evaluate"},
    ],
)
def test_other_inputs_data_models_and_crashes_are_different(changes: dict[str, object]) -> None:
    assert given_to(**changes) == "DIFFERENT"


def test_a_package_of_another_version_is_no_verdict_by_itself() -> None:
    other = Input(kind="package", name="torch", reference="1", derived="2", axis="training conditions")
    assert given_to(inputs=[other]) == "NUMERIC"


def test_what_could_not_be_downloaded_is_inconclusive() -> None:
    assert given_to(failed_stage="download") == "INCONCLUSIVE"


FAR = {"predictions": Predictions(rows=10, agreeing=9, largest=0.5)}


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([0.001, -0.001, 0.002, -0.002, 0.0], "STATISTICAL"),
        ([0.05, 0.051, 0.049, 0.052, 0.05], "DIFFERENT"),
        ([0.03, -0.03, 0.02, -0.02, 0.01], "INCONCLUSIVE"),
        ([0.0001, 0.0], "INCONCLUSIVE"),
    ],
)
def test_seeds_decide(gaps: list[float], expected: str) -> None:
    assert given_to(**FAR, pairs=pairs(gaps)) == expected


def test_a_run_that_crashed_is_no_equivalence() -> None:
    crashed = [Pair(seed=9, reference=pairs([0.0])[0].reference, derived=None)]
    assert given_to(**FAR, pairs=pairs([0.0] * 5) + crashed) == "INCONCLUSIVE"


def test_runs_that_crashed_on_both_sides_are_no_equivalence_either() -> None:
    crashed = [Pair(seed=9 + i, reference=None, derived=None) for i in range(4)]
    evidence = Evidence.model_validate({**CLOSE, **FAR, "pairs": [*pairs([0.012]), *crashed]})
    assert grade(evidence, FIXED) == (
        "INCONCLUSIVE",
        "1 seeds, and 4 that crashed on both sides, wanted at least 5",
    )


NUMBERS = [["pearson", "higher", 0.01, -1.0], ["rmse", "lower", 0.02, None], ["mae", "lower", None, None]]


def test_margins_and_worst_scores_are_those_of_the_reference_metrics() -> None:
    fixed = tolerances({"metrics": NUMBERS})
    assert (fixed.margins, fixed.worst) == ({"pearson": 0.01, "rmse": 0.02}, {"pearson": -1.0})
    assert fixed.model_copy(update={"margins": FIXED.margins, "worst": FIXED.worst}) == FIXED
    assert tolerances({}) == FIXED


@pytest.mark.parametrize(
    ("gap", "crash", "expected"),
    [
        (0.0, False, "STATISTICAL"),
        (0.1, False, "DIFFERENT"),  # more of RMSE is worse, and less would be another result too
        (-0.1, False, "DIFFERENT"),
        (0.0, True, "INCONCLUSIVE"),  # 0 is the best RMSE: a crash must not count as it
    ],
)
def test_numbers_are_judged_by_their_own_margins(gap: float, crash: bool, expected: str) -> None:
    spread = [0.001, -0.001, 0.002, -0.002, 0.0]
    sides = [({"pearson": 0.9, "rmse": 0.5}, {"pearson": 0.9 + s, "rmse": 0.5 + gap + s}) for s in spread]
    some = [Pair(seed=i, reference=old, derived=new) for i, (old, new) in enumerate(sides)]
    some += [Pair(seed=9, reference=some[0].reference, derived=None)] if crash else []
    assert (
        grade(Evidence.model_validate({**CLOSE, **FAR, "pairs": some}), tolerances({"metrics": NUMBERS}))[0] == expected
    )


def test_without_any_margin_nothing_is_equivalent() -> None:
    evidence = Evidence.model_validate({**CLOSE, **FAR, "pairs": pairs([0.0] * 5)})
    assert grade(evidence, Tolerances(margins={}, worst={})) == (
        "INCONCLUSIVE",
        "no score has a margin within which it is equivalent",
    )


def test_an_environment_that_did_not_come_about_shows_nothing() -> None:
    found = grade(Evidence(compared={"finetune": 3}, undone="killed 0 times instead of 1"), FIXED)
    assert found == ("INCONCLUSIVE", "the same digests, but killed 0 times instead of 1")


@given(st.lists(st.sampled_from(GRADES), min_size=1))
def test_the_worst_is_the_worst(grades: list[str]) -> None:
    found = worst(grades)  # type: ignore[arg-type]
    assert found in grades
    assert all(at_least(one, found) for one in grades)  # type: ignore[arg-type]


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10))
def test_coming_closer_never_lowers_the_grade(weight: float, probability: float, agreeing: int) -> None:
    def at(scale: float) -> str:
        return given_to(
            weights=Weights(tensors=1, equal=0, largest=weight * scale, tensor="a", first_tensor="a", ulp=1),
            predictions=Predictions(rows=10, agreeing=10 - round((10 - agreeing) * scale), largest=probability * scale),
        )

    assert GRADES.index(at(0.5)) <= GRADES.index(at(1.0))  # type: ignore[arg-type]
