"""Inputs as tokens: pairs with segments, words with the places of their first tokens, long sentences in windows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.encoding import Encoder, load_encoder
from stages.inputs.marked import Marked
from stages.inputs.pair import Pair
from stages.inputs.passage import Passage
from stages.inputs.text import Text
from stages.inputs.words import OVERLAP, Words, windows
from stages.interfaces import Encoded
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


TEXT = "the old <e1>gull</e1> sails near the <e2>quay</e2> now"


def tokens(found: Encoded, encoder: Encoder) -> str:
    return " ".join(encoder.whole.id_to_token(i) for i in found.windows[0].ids)


def test_marked_entities_stand_between_signs() -> None:
    encoder = load_encoder(MODEL, 32)
    assert Marked("a", "b").read(TEXT)[0] == "the old  a gull a  sails near the  b quay b  now"
    (found,) = Marked(first="memo", second="rose").encode([(TEXT,)], encoder)
    assert tokens(found, encoder) == "[CLS] the old memo gull memo sails near the rose quay rose now [SEP]"
    assert not found.cut


def test_of_a_long_text_what_is_far_from_the_entities_is_cut() -> None:
    encoder = load_encoder(MODEL, 12)
    (found,) = Marked("memo", "rose").encode([(f"{'now ' * 30}{TEXT}{' now' * 30}",)], encoder)
    assert tokens(found, encoder) == "[CLS] memo gull memo sails near the rose quay rose now [SEP]"
    assert found.cut
    assert len(found.windows[0].ids) == 12
    with pytest.raises(
        InputError, match=r"^tokenize.max_length: found 10, but from one entity to the other there are 9"
    ):
        list(Marked("memo", "rose").encode([(TEXT,)], load_encoder(MODEL, 10)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the <e1>gull</e1> sails", "<e2> stands 0 times in 'the <e1>gull</e1> sails', wanted once"),
        ("<e1>a</e1> <e1>b</e1> <e2>c</e2>", "<e1> stands 2 times in "),
        ("<e1>a <e2>b</e1> c</e2>", "the marks stand as <e1> <e2> </e1> </e2>, wanted one entity after the other"),
        ("<e1> </e1> <e2>c</e2>", "nothing stands between <e1> and </e1>"),
    ],
)
def test_marks_that_are_missing_or_doubled_are_told(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Marked().example((text,), "a, line 2")
    assert str(caught.value).startswith(f"a, line 2: {message}")
    assert Marked().example(("<e2>b</e2> of <e1>a</e1>",), "") == ("<e2>b</e2> of <e1>a</e1>",)


def test_both_entities_want_signs_of_their_own() -> None:
    with pytest.raises(ValueError, match=r"^second: found '\$', wanted another sign"):
        Marked(second="$")


PASSAGE = " the old gull sails near the quay now"


def test_a_passage_is_cut_into_windows_that_overlap() -> None:
    encoder = load_encoder(MODEL, 9)
    (found,) = Passage(stride=1).encode([("the memo", PASSAGE)], encoder)
    shown = []
    for window in found.windows:
        begins, ends = (list(window.columns[name]) for name in ("begins", "ends"))
        assert begins[:4] == [-1] * 4
        assert list(window.columns["token_type_ids"]) == [0] * 4 + [1] * (len(window.ids) - 4)
        shown.append([PASSAGE[a:b] for a, b in zip(begins, ends, strict=True) if a >= 0])
        assert [encoder.whole.token_to_id(text) for text in shown[-1]] == list(window.ids[4:-1])
    assert shown == [["the", "old", "gull", "sails"], ["sails", "near", "the", "quay"], ["quay", "now"]]
    assert (
        list(found.windows[0].ids[:4])
        == encoder.paired(encoder.whole.encode("the memo", add_special_tokens=False).ids, [])[0][:4]
    )


@given(st.integers(0, 200), st.integers(1, 20), st.integers(0, 19))
def test_windows_show_every_token_and_the_last_reaches_the_end(count: int, room: int, stride: int) -> None:
    if stride >= room:
        return
    starts = Passage(stride).starts(count, room)
    assert set(range(count)) <= {at + i for at in starts for i in range(room)}
    assert all(after - before == room - stride for before, after in pairwise(starts))
    assert starts[-1] + room >= count
    assert len(starts) == 1 or starts[-2] + room < count


def test_a_passage_shorter_than_the_stride_is_one_window() -> None:
    (found,) = Passage(stride=8).encode([("the memo", "the gull")], load_encoder(MODEL, 16))
    assert len(found.windows) == 1
    (empty,) = Passage(stride=8).encode([("the memo", "\u200b")], load_encoder(MODEL, 16))
    assert max(empty.windows[0].columns["begins"]) == -1


def test_a_window_without_room_behind_the_question_is_told() -> None:
    wanted = r"^tokenize.max_length: found 9, but beside the 2 tokens of the question 'the memo' and 3 special ones"
    with pytest.raises(InputError, match=wanted):
        list(Passage(stride=4).encode([("the memo", PASSAGE)], load_encoder(MODEL, 9)))


def test_a_pair_framed_by_hand_is_the_pair_of_the_tokenizer() -> None:
    encoder = load_encoder(MODEL, 32)
    (pair,) = Pair().encode([("the memo", "old gull sails")], encoder)
    first, second = (
        encoder.whole.encode(text, add_special_tokens=False).ids for text in ("the memo", "old gull sails")
    )
    ids, segments, place = encoder.paired(first, second)
    assert ids == list(pair.windows[0].ids)
    assert segments == list(pair.windows[0].columns["token_type_ids"])
    assert ids[place] == second[0]
