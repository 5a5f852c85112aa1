"""What each policy leaves of the training rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.cleaning.policies import census, clean
from stages.cleaning.rows import Codes, Splits
from stages.core.errors import InputError

CONFLICT = [("t", "a"), ("t", "b"), ("u", "a"), ("t", "b")]
PER_EXAMPLE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # `maker` keeps codes alone
PAIRS = st.lists(st.tuples(st.sampled_from("tuvwx"), st.sampled_from("abc")), max_size=20)


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ("drop", [("u", "a")]),
        ("first", [("t", "a"), ("u", "a")]),
        ("majority", [("t", "b"), ("u", "a")]),
        ("keep", [("t", "a"), ("t", "b"), ("u", "a")]),
    ],
)
def test_conflicts(cleaned: Any, maker: Any, policy: str, left: list) -> None:
    assert maker.pairs(cleaned(CONFLICT, conflicts=policy).rows["train"]) == left


def test_an_even_majority_drops_all(cleaned: Any, maker: Any) -> None:
    pairs = [("t", "a"), ("t", "b"), ("u", "a"), ("t", "c"), ("t", "c"), ("t", "b")]
    assert maker.pairs(cleaned(pairs, conflicts="majority").rows["train"]) == [("u", "a")]


@pytest.mark.parametrize(("policy", "left"), [("drop", [0, 1]), ("keep", [0, 1, 2])])
def test_duplicates(cleaned: Any, policy: str, left: list[int]) -> None:
    pairs = [("t", "a"), ("u", "b"), ("t", "a")]
    assert cleaned(pairs, duplicates=policy).rows["train"].ids.tolist() == left


@pytest.mark.parametrize(("policy", "left"), [("drop", [1]), ("keep", [0, 1])])
def test_leakage_concerns_texts_whatever_their_label(cleaned: Any, policy: str, left: list[int]) -> None:
    splits = cleaned([("t", "a"), ("u", "b")], [("t", "b")], leakage=policy)
    assert splits.rows["train"].ids.tolist() == left


def test_the_test_rows_stay_as_they_are(cleaned: Any, maker: Any) -> None:
    test = [("t", "a"), ("t", "a"), ("t", "b")]
    assert maker.pairs(cleaned([("t", "a"), ("u", "a")], test).rows["test"]) == test


def test_leaks_have_no_vote_in_conflicts(cleaned: Any, maker: Any) -> None:
    """A text of the test split leaves training as a leak; it is not counted as a conflict too."""
    splits = cleaned(CONFLICT, [("t", "a")])
    assert splits.dropped["train"] == {"leakage": 3, "conflicts": 0, "duplicates": 0}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("leakage", r"train.tsv, line 5: it is also in the test split \(test.tsv\), and data.leakage is error"),
        (
            "conflicts",
            r"train.tsv, line 3: it stands with another answer too \(2 such rows\), and data.conflicts is error",
        ),
        ("duplicates", r"train.tsv, line 6: it stands above with the same answer, and data.duplicates is error"),
    ],
)
def test_errors_name_the_first_row_and_the_key(cleaned: Any, key: str, message: str) -> None:
    train = [("x", "a"), ("t", "a"), ("t", "b"), ("leak", "a"), ("x", "a")]
    with pytest.raises(InputError, match=message):
        cleaned(train, [("leak", "a")], **{key: "error"})


def test_the_census_counts_faults_whatever_the_policy(maker: Any) -> None:
    train = maker.rows([("t", "a"), ("t", "a"), ("t", "b"), ("u", "a"), ("v", "c"), ("v", "c")])
    test = maker.rows([("u", "a"), ("u", "b"), ("w", "a")])
    assert census(Splits({"train": train, "test": test})) == {
        "duplicate_examples": 3,
        "duplicate_rows": 2,
        "conflicting_examples": 1,
        "conflicting_rows": 3,
        "leakage": {"test": {"rows": 2, "training_rows": 1}},
    }


@PER_EXAMPLE
@given(train=PAIRS, test=PAIRS, conflicts=st.sampled_from(["drop", "first", "majority"]))
def test_after_cleaning_each_text_stands_once_and_in_one_split(
    maker: Any, train: list, test: list, conflicts: str
) -> None:
    splits = Splits({"train": maker.rows([*train, ("only here", "a")]), "test": maker.rows(test)})
    clean(splits, "drop", conflicts, "drop")
    texts = splits.rows["train"].examples.tolist()
    assert len(texts) == len(set(texts))
    assert not set(texts) & set(splits.rows["test"].examples.tolist())
    assert sum(splits.dropped["train"].values()) + len(texts) == len(train) + 1


@PER_EXAMPLE
@given(train=PAIRS)
def test_rows_stay_in_file_order(maker: Any, train: list) -> None:
    splits = Splits({"train": maker.rows([*train, ("only here", "a")])})
    clean(splits, "drop", "first", "drop")
    ids = splits.rows["train"].ids.tolist()
    assert ids == sorted(ids)


def test_codes_number_names_in_the_order_of_sight() -> None:
    codes = Codes()
    assert ([codes[name] for name in "bab"], list(codes)) == ([0, 1, 0], ["b", "a"])
