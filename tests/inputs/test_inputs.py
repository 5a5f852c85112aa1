"""Inputs as tokens: pairs with segments, words with the places of their first tokens, long sentences in windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.encoding import load_encoder
from stages.inputs.pair import Pair
from stages.inputs.text import Text
from stages.inputs.words import OVERLAP, Words, windows
from tests.encoding.test_saving import bpe
from tests.tiny import ROOT

MODEL = ROOT / "files/smoke/model"


def test_a_pair_has_segments_and_its_longer_text_is_cut() -> None:
    encoder = load_encoder(MODEL, 8)
    vocabulary = encoder.whole.get_vocab()
    (one, two) = Pair().encode([("the old gull", "the memo"), ("the memo", "the old gull sails")], encoder)
    the, old, gull, memo = (vocabulary[word] for word in ("the", "old", "gull", "memo"))
    assert (list(one.windows[0].ids), one.cut, one.special) == ([2, the, old, gull, 3, the, memo, 3], False, 3)
    assert list(one.windows[0].columns["token_type_ids"]) == [0, 0, 0, 0, 0, 1, 1, 1]
    assert (list(two.windows[0].ids), two.cut) == ([2, the, memo, 3, the, old, gull, 3], True)
    assert len(two.ids) == 6


def test_a_pair_needs_room_for_both() -> None:
    with pytest.raises(InputError, match=r"^tokenize.max_length: found 4, wanted 5 at least for a pair$"):
        list(Pair().encode([("a", "b")], load_encoder(MODEL, 4)))


def test_words_are_encoded_as_their_line_of_text() -> None:
    encoder = load_encoder(MODEL, 32)
    words = ("the", "gull-like", "New York", "\u200b", "rose")
    (found,) = Words().encode([(words,)], encoder)
    (text,) = Text().encode([(" ".join(words),)], encoder)
    (window,) = found.windows
    assert list(window.ids) == list(text.windows[0].ids)
    assert list(window.columns["words"]) == [0, 1, 2, 3, 4]
    places = list(window.columns["places"])
    assert places[3] == -1  # it has no token
    (start,) = encoder.whole.encode("rose", add_special_tokens=False).ids
    assert window.ids[places[4]] == start
    assert places[:3] == sorted(places[:3])


@pytest.mark.parametrize("prefix", [True, False])
def test_a_token_that_begins_with_a_blank_is_of_the_word_behind_it(prefix: bool) -> None:
    from dataclasses import replace

    own = bpe(prefix)
    encoder = replace(load_encoder(MODEL, 32), whole=own, cut=own, before=(), after=())
    (found,) = Words().encode([(("ab", "cd", "e"),)], encoder)
    (window,) = found.windows
    firsts = [own.id_to_token(window.ids[place]).lstrip("Ġ") for place in window.columns["places"]]
    assert [word.startswith(first) for word, first in zip(("ab", "cd", "e"), firsts, strict=True)] == [True] * 3


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(4, 25))
def test_every_word_is_owned_once_and_shown_by_its_owner(sizes: list[int], room: int) -> None:
    spans = windows(sizes, room)
    cuts = [*(span.owned_first for span in spans), len(sizes)]
    assert (cuts[0], cuts) == (0, sorted(cuts))
    for span, last in zip(spans, cuts[1:], strict=True):
        assert span.first <= span.owned_first <= last <= span.last
        assert sum(min(size, room) for size in sizes[span.first : span.last]) <= room
    if sum(min(size, room) for size in sizes) <= room:
        assert len(spans) == 1


def test_neighbouring_windows_overlap_and_a_word_has_context_on_both_sides() -> None:
    spans = windows([1] * 100, 40)
    assert [(span.first, span.last, span.owned_first) for span in spans] == [(0, 40, 0), (30, 70, 35), (60, 100, 65)]
    assert OVERLAP == 0.25


def test_a_long_sentence_is_cut_into_windows_and_nothing_is_left_out() -> None:
    words = tuple("the old gull sails near the quay".split() * 5)
    (found,) = Words().encode([(words,)], load_encoder(MODEL, 16))
    assert len(found.windows) > 2
    assert [word for window in found.windows for word in window.columns["words"]] == list(range(len(words)))
    assert all(len(window.ids) <= 16 for window in found.windows)
    assert not found.cut


def test_a_word_of_more_tokens_than_a_window_keeps_the_first() -> None:
    (found,) = Words().encode([(("x" * 40, "gull"),)], load_encoder(MODEL, 8))
    assert found.cut
    assert [list(window.columns["words"]) for window in found.windows] == [[0], [1]]
    assert len(found.windows[0].ids) == 8
