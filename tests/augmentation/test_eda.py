"""EDA's four operations, word by word."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.augmentation import eda
from stages.augmentation.eda import EDA, similar
from stages.interfaces import Stretch
from tests.augmentation.wordnet import wordnet

WORDNET = {"car": ("auto", "motor_vehicle"), "old": ("aged",), "a": ("angstrom",)}
TEXTS = st.lists(st.lists(st.sampled_from(["car", "old", "a", "gull", "sails"]), max_size=12), min_size=1, max_size=3)
SEEDS = st.integers(0, 2**32)


def known(word: str) -> list[str]:
    return similar(word, WORDNET)


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("car", ["auto", "motor vehicle"]),
        ("Car,", ["Auto,", "Motor vehicle,"]),
        ('("CAR")', ['("AUTO")', '("MOTOR VEHICLE")']),
        ("cars", []),
        ("A", []),  # a word of grammar, whatever WordNet knows
        ("--", []),
    ],
)
def test_synonyms_stand_as_the_word_did(word: str, found: list[str]) -> None:
    assert similar(word, WORDNET) == found


def test_replace_changes_the_share_of_words_by_their_synonyms() -> None:
    """floor(0.25 × 9) = 2 of the three words that have one; all that is left to chance is which."""
    words = "the old car and the old gull sails away".split()
    found = set()
    for seed in range(60):
        texts = [list(words)]
        eda.replace(texts, 0.25, known, draw(seed))
        found.add(" ".join(texts[0]))
    old = ["the {} {} and the {} gull sails away".format(*words) for words in (
        ("aged", "auto", "old"), ("aged", "motor vehicle", "old"), ("aged", "car", "aged"),
        ("old", "auto", "aged"), ("old", "motor vehicle", "aged"),
    )]  # fmt: skip
    assert found == set(old)


def test_insert_adds_synonyms_anywhere() -> None:
    found = set()
    for seed in range(60):
        texts = [["old", "gull"]]
        eda.insert(texts, 0.1, known, draw(seed))
        found.add(" ".join(texts[0]))
    assert found == {"aged old gull", "old aged gull", "old gull aged"}


def test_swap_exchanges_two_words_of_a_stretch() -> None:
    found = set()
    for seed in range(60):
        texts = [["1", "2", "3"], ["4"], []]
        eda.swap(texts, 0.1, known, draw(seed))
        assert texts[1:] == [["4"], []]
        found.add("".join(texts[0]))
    assert found == {"213", "321", "132"}


def test_delete_leaves_out_words_with_the_probability() -> None:
    texts = [[str(n) for n in range(20_000)]]
    eda.delete(texts, 0.1, known, draw(1))
    assert len(texts[0]) / 20_000 == pytest.approx(0.9, abs=3 * (0.09 / 20_000) ** 0.5)
    assert texts[0] == sorted(texts[0], key=int)


def test_delete_leaves_a_word_of_each_stretch() -> None:
    texts = [["1", "2"], [], ["3"]]
    eda.delete(texts, 1.0, known, draw(1))
    assert [len(words) for words in texts] == [1, 0, 1]


@given(TEXTS, st.sampled_from(["replace", "insert", "swap", "delete"]), SEEDS, st.floats(0.05, 1))
def test_any_text(texts: list[list[str]], name: str, seed: int, alpha: float) -> None:
    """No stretch loses its last word, gets one of another stretch, or gets a word of nowhere."""
    before = [list(words) for words in texts]
    eda.OPERATIONS[name](texts, alpha, known, draw(seed))
    for old, new in zip(before, texts, strict=True):
        assert bool(old) == bool(new)
        new_words = Counter(new) - Counter(old)
        synonyms = {part for word in old for other in known(word) for part in other.split()}
        assert set(new_words) <= (synonyms if name in ("replace", "insert") else set())
        if name == "swap":
            assert sorted(old) == sorted(new)


def test_mentions_stay_and_the_operation_is_drawn(tmp_path: Path) -> None:
    rewrite = EDA(alpha=0.5).rewriter((), wordnet(tmp_path / "wordnet"))
    row = [Stretch(("soon",)), Stretch(("old", "captain"), "PER"), Stretch(("the", "car", "sail"))]
    assert rewrite is not None
    found = [rewrite(row, draw(seed)) for seed in range(200)]
    assert all(len(each) == 3 and each[1] == row[1] for each in found)
    lengths = {sum(len(stretch.words) for stretch in each) for each in found}
    assert min(lengths) < 6 < max(lengths)  # words deleted, words inserted
    assert {each[0].words for each in found} >= {("soon",), ("shortly",)}


def test_without_synonyms_wordnet_is_not_read(tmp_path: Path) -> None:
    rewrite = EDA(operations=("swap",)).rewriter((), tmp_path)
    assert rewrite is not None
    assert rewrite([Stretch(("1", "2"))], draw(0)) == [Stretch(("2", "1"))]
    assert rewrite([Stretch(("x",), "PER")], draw(0)) == [Stretch(("x",), "PER")]  # nothing that is free
