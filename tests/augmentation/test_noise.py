"""Slips of typing, letter by letter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.augmentation import noise
from stages.augmentation.noise import NEIGHBOURS, Noise
from stages.interfaces import Stretch

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Zs", "Cc"]), min_size=4, max_size=9)


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def all_of(slip: str, word: str) -> set[str]:
    return {noise.SLIPS[slip](word, draw(seed)) for seed in range(200)}


def test_the_keys_around_a_key() -> None:
    assert sorted(NEIGHBOURS["g"]) == sorted("tyfhvb")
    assert sorted(NEIGHBOURS["q"]) == sorted("wa")
    assert all(a in NEIGHBOURS[b] for a, near in NEIGHBOURS.items() for b in near)


def test_a_neighbour_of_an_inner_letter() -> None:
    assert all_of("neighbour", "aQ1a") == {"aW1a", "aA1a"}
    assert all_of("neighbour", "1234") == {"1234"}


def test_inner_letters_swapped() -> None:
    assert all_of("swap", "gulls") == {"gluls", "gulls"}
    assert all_of("swap", "1234") == {"1324"}


def test_an_inner_letter_left_out() -> None:
    assert all_of("drop", "1234") == {"134", "124"}


@given(WORDS, st.sampled_from(["neighbour", "swap", "drop"]), st.integers(0, 2**32))
def test_first_and_last_letters_stay(word: str, slip: str, seed: int) -> None:
    slipped = noise.SLIPS[slip](word, draw(seed))
    assert (slipped[0], slipped[-1]) == (word[0], word[-1])
    assert len(slipped) == len(word) - (slip == "drop")
    if slip == "swap":
        assert Counter(slipped) == Counter(word)


def test_the_share_of_words(tmp_path: Path) -> None:
    """floor(0.3 × 10) = 3 words, none shorter than four letters, none of a mention."""
    rewrite = Noise(share=0.3, slips=("drop",)).rewriter((), tmp_path)
    assert rewrite is not None
    row = [Stretch(("gulls",) * 6 + ("the",)), Stretch(("captain",), "PER"), Stretch(("sails", "to", "it"))]
    for seed in range(20):
        made = rewrite(row, draw(seed))
        pairs = [(a, b) for one, two in zip(row, made, strict=True) for a, b in zip(one.words, two.words, strict=True)]
        assert sum(len(a) - len(b) for a, b in pairs) == 3
        assert all(a == b for a, b in pairs if len(a) < 4 or a == "captain")


def test_a_copy_is_in_the_one_form_of_unicode(tmp_path: Path) -> None:
    """Without what stood between a letter and its accent the two are one character."""
    rewrite = Noise(share=1.0, slips=("drop",)).rewriter((), tmp_path)
    assert rewrite is not None
    found = {rewrite([Stretch(("ae-\u0301a",))], draw(seed))[0].words[0] for seed in range(60)}
    assert found == {"a-\u0301a", "a\u00e9a", "ae-a"}
