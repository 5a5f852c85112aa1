"""Splits and samples: exact sizes, shares of classes, and the same rows for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.cleaning.rows import Splits
from stages.cleaning.splits import cut, refuse_singletons, refuse_unlearnable, sample, shares
from stages.core.errors import InputError
from stages.repro.streams import Streams

STREAMS = Streams(42)
MANY = [(f"text {n}", "abc"[n % 7 % 3]) for n in range(70)]  # a 30, b 20, c 20
VALIDATION_OF_42 = [13, 15, 16, 51, 52, 59, 64]  # ids, as this seed always draws them


def sizes(splits: Splits, split: str) -> list[int]:
    return np.bincount(splits.rows[split].answers).tolist()


@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=12), data=st.data())
def test_shares_are_exact_and_leave_a_row_of_each_class(sizes: list[int], data: Any) -> None:
    count = data.draw(st.integers(0, sum(sizes) - len(sizes)))
    given_rows = shares(sizes, count)
    assert sum(given_rows) == count
    assert all(0 <= share < size for share, size in zip(given_rows, sizes, strict=True))


@given(sizes=st.lists(st.integers(10, 50), min_size=1, max_size=12), tenths=st.integers(1, 5))
def test_shares_of_large_classes_are_within_a_row_of_their_proportion(sizes: list[int], tenths: int) -> None:
    count = sum(sizes) * tenths // 10
    for share, size in zip(shares(sizes, count), sizes, strict=True):
        assert abs(share - size * count / sum(sizes)) < 1


def test_the_first_class_wins_a_tie() -> None:
    assert shares([5, 5, 5], 4) == [2, 1, 1]


def test_what_a_small_class_may_not_give_the_next_does() -> None:
    assert shares([1, 1, 2], 1) == [0, 0, 1]


def test_a_stratified_split_keeps_the_shares(maker: Any) -> None:
    splits = Splits({"train": maker.rows(MANY)})
    cut(splits, "validation", 0.1, True, STREAMS)
    assert (sizes(splits, "validation"), sizes(splits, "train")) == ([3, 2, 2], [27, 18, 18])


def test_a_split_keeps_every_row_once_and_in_order(maker: Any) -> None:
    splits = Splits({"train": maker.rows(MANY)})
    cut(splits, "test", 0.3, False, STREAMS)
    train, test = (splits.rows[s].ids.tolist() for s in ("train", "test"))
    assert (sorted(train + test), train, len(test)) == (list(range(70)), sorted(train), 21)


def test_the_rows_drawn_are_those_of_the_seed(maker: Any) -> None:
    splits = Splits({"train": maker.rows(MANY)})
    cut(splits, "validation", 0.1, True, STREAMS)
    assert splits.rows["validation"].ids.tolist() == VALIDATION_OF_42


@pytest.mark.parametrize("streams", [Streams(43), Streams(42, {"split": 7})])
def test_another_seed_draws_other_rows(maker: Any, streams: Streams) -> None:
    splits = Splits({"train": maker.rows(MANY)})
    cut(splits, "validation", 0.1, True, streams)
    assert splits.rows["validation"].ids.tolist() != VALIDATION_OF_42


def test_a_lenient_split_leaves_lone_rows_in_training(maker: Any) -> None:
    splits = Splits({"train": maker.rows([*MANY, ("lone", "z")])})
    cut(splits, "validation", 0.5, "lenient", STREAMS)
    assert "z" not in [label for _, label in maker.pairs(splits.rows["validation"])]


@pytest.mark.parametrize(
    ("pairs", "fraction", "message"),
    [
        ([("t", "a")] * 4, 0.1, "data.test_fraction: 0.1 of the 4 rows left in train.tsv is 0, wanted 1 to 3"),
        ([("t", "a"), ("t", "b"), ("t", "c")], 0.5, "is 2, wanted 1 to 0, so that every class keeps a training row"),
    ],
)
def test_a_split_of_nothing_or_too_much_is_refused(maker: Any, pairs: list, fraction: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cut(Splits({"train": maker.rows(pairs)}), "test", fraction, True, STREAMS)


def test_a_class_of_one_row_is_named(maker: Any) -> None:
    rows = maker.rows([("t", "a"), ("u", "a"), ("v", "lone")])
    message = "train.tsv, line 4: the only training row with label 'lone', .* data.stratify to lenient"
    with pytest.raises(InputError, match=message):
        refuse_singletons(rows, list(maker.labels))


def test_a_label_only_in_test_is_named_with_its_count_and_the_nearest(maker: Any) -> None:
    train = maker.rows([("t", "sport"), ("u", "cooking")])
    test = maker.rows([("v", "cooking"), ("w", "Sports"), ("x", "Sports")], "test.tsv")
    message = r"test.tsv, line 3: label 'Sports' \(2 of the 3 test rows\) is in no training row \(nearest: 'sport'\)"
    with pytest.raises(InputError, match=message):
        refuse_unlearnable(Splits({"train": train, "test": test}), list(maker.labels))


def test_one_label_is_nothing_to_learn(maker: Any) -> None:
    with pytest.raises(
        InputError, match=r"train.tsv: found label 'a' in the training rows, wanted two labels at least"
    ):
        refuse_unlearnable(Splits({"train": maker.rows([("t", "a"), ("u", "a")])}), list(maker.labels))


def test_per_class_keeps_as_many_of_each_and_all_of_smaller_ones(maker: Any) -> None:
    splits = Splits({"train": maker.rows([*MANY, ("lone", "z")])})
    sample(splits, 4, None, STREAMS)
    assert (sizes(splits, "train"), splits.dropped) == ([4, 4, 4, 1], {"train": {"per_class": 58}})


def test_limit_concerns_every_split(maker: Any) -> None:
    splits = Splits({"train": maker.rows(MANY), "test": maker.rows(MANY[:5])})
    sample(splits, None, 8, STREAMS)
    assert [len(splits.rows[s]) for s in ("train", "test")] == [8, 5]


def test_a_limit_does_not_move_the_split(maker: Any) -> None:
    """Each kind of draw has its own index in the stream."""
    splits = Splits({"train": maker.rows(MANY)})
    cut(splits, "validation", 0.1, True, STREAMS)
    sample(splits, 3, 2, STREAMS)
    assert set(splits.rows["validation"].ids.tolist()) < set(VALIDATION_OF_42)
