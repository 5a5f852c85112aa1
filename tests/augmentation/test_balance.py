"""How many copies each row of each class gets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.augmentation.balance import Balance


def counts(answers: list[int], share: float, keys: list[int] | None = None) -> list[int]:
    found = Balance(share).counts(np.array(answers, dtype=np.int64), (keys or [0] * len(answers)).__getitem__)
    assert found is not None
    return list(found.tolist())


@pytest.mark.parametrize(("share", "one", "two"), [(1.0, 3, 1), (0.5, 1, 0), (0.2, 0, 0)])
def test_a_class_reaches_its_share_of_the_largest(share: float, one: int, two: int) -> None:
    """Of 4, 1 and 2 rows."""
    assert counts([0, 0, 0, 0, 1, 2, 2], share) == [0, 0, 0, 0, one, two, two]


def test_the_lowest_keys_get_what_is_left() -> None:
    assert counts([0, 0, 0, 0, 0, 1, 1, 1], 1.0, [0, 0, 0, 0, 0, 9, 3, 5]) == [0, 0, 0, 0, 0, 0, 1, 1]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.floats(0.01, 1))
def test_any_classes(answers: list[int], share: float) -> None:
    rows, made = np.array(answers), np.array(counts(answers, share))
    wanted = np.ceil(share * np.bincount(rows).max())
    for label in set(answers):
        of = made[rows == label]
        assert len(of) + of.sum() == max(len(of), wanted)
        assert of.max() - of.min() <= 1
