"""Mentions replaced by others of their type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.augmentation.mentions import Mentions
from stages.interfaces import Stretch

ROWS = [
    [Stretch(("Anna",), "PER"), Stretch(("saw",)), Stretch(("New", "York"), "LOC")],
    [Stretch(("Anna",), "PER"), Stretch(("and",)), Stretch(("Bo", "Ek"), "PER"), Stretch(("Cy",), "PER")],
]


def made(probability: float, row: int, count: int = 300) -> list[list[Stretch]]:
    rewrite = Mentions(probability=probability).rewriter(ROWS, Path())
    assert rewrite is not None
    return [list(rewrite(ROWS[row], np.random.default_rng(seed))) for seed in range(count)]


def test_any_other_of_the_type_and_never_itself() -> None:
    found = made(1.0, 0)
    assert {each[0] for each in found} == {Stretch(("Bo", "Ek"), "PER"), Stretch(("Cy",), "PER")}
    assert {tuple(each[1:]) for each in found} == {tuple(ROWS[0][1:])}  # free words stay, and the only place there is


def test_others_are_drawn_evenly_however_often_they_occur() -> None:
    """Of Cy's two others Anna stands twice in the rows; each is drawn in half of the copies, within 3 errors."""
    found = [each[3].words == ("Anna",) for each in made(1.0, 1, 1000)]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * (0.25 / 1000) ** 0.5)


def test_the_probability_is_each_mention_s_own() -> None:
    changed = np.array([[a != b for a, b in zip(each, ROWS[1], strict=True)] for each in made(0.3, 1, 1000)])
    assert changed.mean(axis=0) == pytest.approx([0.3, 0, 0.3, 0.3], abs=3 * (0.21 / 1000) ** 0.5)
    assert (changed[:, 0] & changed[:, 2]).mean() == pytest.approx(0.09, abs=3 * (0.0819 / 1000) ** 0.5)
