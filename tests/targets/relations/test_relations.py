"""Relations are read with their direction, and scored as the official scorer of SemEval-2010 task 8 does."""

from __future__ import annotations

import numpy as np
import pytest

from stages.core.errors import InputError
from stages.scoring.report import Options
from stages.targets.relations.data import Relations
from stages.targets.relations.metrics import METRICS, Judged, relations_of
from stages.targets.relations.report import report

NAMES = ("C-E", "C-W", "C-C", "E-D", "E-O", "I-A", "M-C", "M-T", "P-P")
# Of the scorer's first example, whose key has 40 rows: right ones, those of a wrong direction, those found to be
# another relation (of which one is I-A and one M-C, both Other by the key), and those taken for Other or left out.
RIGHT = (2, 1, 1, 2, 1, 2, 3, 3, 1)
TURNED = (1, 1, 0, 0, 0, 0, 0, 1, 0)
MISSED = (3, 3, 0, 1, 1, 2, 2, 1, 1)
OTHERS = 7
SPACE = Relations().space((label,) for name in NAMES for label in (f"{name}(e1,e2)", f"{name}(e2,e1)", "Other"))
LABELS = SPACE["labels"]


def judged(pairs: list[tuple[str, str]]) -> Judged:
    """Return rows of (label, guess)."""
    truth, guess = (np.array([LABELS.index(pair[side]) for pair in pairs]) for side in (0, 1))
    return Judged(truth, np.eye(len(LABELS), dtype=np.float32)[guess], relations_of(SPACE))


def example() -> Judged:
    pairs = []
    for name, right, turned, missed in zip(NAMES, RIGHT, TURNED, MISSED, strict=True):
        one, two = f"{name}(e1,e2)", f"{name}(e2,e1)"
        pairs += [(one, one)] * right + [(one, two)] * turned + [(two, "Other")] * missed
    taken = ["I-A(e1,e2)", "M-C(e2,e1)"]
    # The scorer found one I-A among the three predicted as such that was Other, and one M-C.
    pairs += [("Other", guess) for guess in taken] + [("Other", "Other")] * (OTHERS - len(taken))
    return judged(pairs)


def test_the_score_is_that_of_the_official_scorer() -> None:
    """The scorer prints: P = 81.48 %, R = 54.44 %, F1 = 64.09 %."""
    assert METRICS["relation_f1"].compute(example()) == pytest.approx(0.6409, abs=5e-5)


def test_the_report_tells_each_relation_and_leaves_none_out_of_the_mean() -> None:
    said = report(example(), (), SPACE, Options(5, 100, 0)).scores
    rows = {row["relation"]: (row["f1"], row["examples"]) for row in said["per_relation"]}
    assert rows["C-E"] == (pytest.approx(0.444444), 6)  # 2 of 3 found, 2 of 6 there
    assert rows["C-C"] == (1.0, 1)
    assert set(rows) == set(NAMES)
    assert said["metrics"][0][0] == "relation_f1"
    assert said["accuracy"] == pytest.approx((sum(RIGHT) + OTHERS - 2) / 40)


def test_a_wrong_direction_is_wrong_both_ways() -> None:
    found = judged([("C-E(e1,e2)", "C-E(e1,e2)"), ("C-E(e1,e2)", "C-E(e2,e1)"), ("Other", "Other")])
    assert METRICS["relation_f1"].compute(found) == 0.5


@pytest.mark.parametrize("label", ["Cause-Effect", "Cause-Effect(e1,e1)", "(e1,e2)", "other"])
def test_a_label_without_a_direction_is_told(label: str) -> None:
    wanted = r"^a, line 3: relation '.*', wanted NAME\(e1,e2\), NAME\(e2,e1\) or 'Other' \(target.none\)$"
    with pytest.raises(InputError, match=wanted):
        Relations().answer(("x",), (label,), "a, line 3")


def test_nothing_but_none_is_nothing_to_learn() -> None:
    assert Relations("no").answer(("x",), ("no",), "") == ("no",)
    with pytest.raises(InputError, match=r"^data.columns.label: every label is 'no': there is nothing to learn$"):
        Relations("no").space([("no",)])
