"""Answers in passages: read at their places, ranked over windows, compared as SQuAD's official script does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.interfaces import Window
from stages.scoring.report import Options
from stages.scoring.texts import squad
from stages.targets.span.data import NEAR, Span
from stages.targets.span.metrics import METRICS, Judged, overlap
from stages.targets.span.report import exact_match, f1, render, report, table, worst, wrong

PASSAGE = "the old gull sails near the quay while the captain rows near the quay"
SPACE = {"longest": 5, "no_answer": True}


def read(texts: tuple[str, ...], starts: tuple[float, ...], **options: Any) -> Any:
    return Span(**options).answer(("where?", PASSAGE), (texts, starts), "a, question 3")


def test_answers_are_places() -> None:
    assert read(("gull", "old gull"), (8.0, 4.0)) == ((8, 12), (4, 12))
    assert read((), ()) == ()
    assert read(("gull", "gull"), (8.0, 8.0)) == ((8, 12),)


@pytest.mark.parametrize(
    ("text", "start", "drop", "mend"),
    [
        ("gull", 7.0, None, ((8, 12),)),  # it stands once nearby
        ("quay", 29.0, None, None),  # twice
        ("gulls", 8.0, None, None),  # nowhere
        ("gull", -3.0, None, ((8, 12),)),
        ("gull", 8.5, None, ((8, 12),)),
    ],
)
def test_a_misplaced_answer_is_left_out_or_moved(text: str, start: float, drop: Any, mend: Any) -> None:
    assert read((text,), (start,), misplaced="drop") == drop
    assert read((text,), (start,), misplaced="mend") == mend
    assert read((text, "old"), (start, 4.0), misplaced="drop") == ((4, 7),)
    with pytest.raises(InputError, match=rf"^a, question 3: the answer '{text}' does not stand at character {start:g}"):
        read((text,), (start,))


def test_an_answer_is_looked_for_nearby_alone() -> None:
    far = "x" * (NEAR + 10) + " gull"
    assert Span("mend").answer(("", far), (("gull",), (0.0,)), "") is None
    assert Span("mend").answer(("", far), (("gull",), (20.0,)), "") == ((NEAR + 11, NEAR + 15),)


@pytest.mark.parametrize(
    ("texts", "starts", "message"),
    [
        (("gull",), (), "1 answers, but 0 starts: wanted one each"),
        ((" ",), (3.0,), "an answer without text; a question without an answer has an empty list"),
    ],
)
def test_answers_that_cannot_be_read_are_told(texts: Any, starts: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^a, question 3: {message}$"):
        read(texts, starts, misplaced="mend")


def test_no_answer_at_all_is_nothing_to_learn() -> None:
    assert Span().space([(), ((0, 1),)]) == {"longest": 30, "no_answer": True}
    assert Span(longest=3).space([((0, 1),)]) == {"longest": 3, "no_answer": False}
    with pytest.raises(InputError, match=r"^data.columns.answers: no question has an answer"):
        Span().space([()])


def window(first: int, last: int) -> Window:
    """Return a window that shows the words of PASSAGE from `first` to before `last`, behind three other tokens."""
    ends = np.cumsum([len(word) + 1 for word in PASSAGE.split()]) - 1
    begins = np.array([0, *(ends[:-1] + 1)])
    columns = {
        "begins": [-1] * 3 + begins[first:last].tolist() + [-1],
        "ends": [-1] * 3 + ends[first:last].tolist() + [-1],
    }
    return Window([0] * (4 + last - first), columns)


@pytest.mark.parametrize(
    ("stored", "shown", "found"),
    [
        ([8, 12], (0, 6), [5, 5]),
        ([4, 12], (0, 6), [4, 5]),
        ([9, 11], (0, 6), [5, 5]),  # within a token
        ([8, 12], (3, 6), [0, 0]),  # elsewhere
        ([4, 12], (2, 6), [0, 0]),  # begins before the window
        ([4, 12, 13, 18], (3, 6), [3, 3]),  # the second of two right answers
        ([], (0, 6), [0, 0]),
    ],
)
def test_an_answer_is_taught_where_a_window_shows_it_whole(stored: list[int], shown: Any, found: list[int]) -> None:
    assert Span().align(stored, window(*shown)) == [*found, *stored]


def test_windows_without_the_answer_are_sampled_by_row_alone() -> None:
    aligned = [[0, 0, 1, 2]] * 6 + [[4, 5, 1, 2]] + [[0, 0, 1, 2]] * 6
    assert list(Span().learnt(aligned, 1)) == list(range(13))
    chosen = [tuple(Span(without=2).learnt(aligned, row)) for row in range(20)]
    assert all(len(of) == 3 and 6 in of for of in chosen)
    assert len(set(chosen)) > 5
    assert chosen == [tuple(Span(without=2).learnt(aligned, row)) for row in range(20)]
    assert list(Span(without=0).learnt(aligned, 1)) == [6]
    assert list(Span(without=1).learnt([[0, 0]], 1)) == [0]


# The rules of the official script of SQuAD, one a line.
@pytest.mark.parametrize(
    ("guess", "truths", "exact", "score"),
    [
        ("the gull", ["gull"], 1, 1),  # articles
        ("A Gull!", ["gull"], 1, 1),  # case and punctuation
        ("  old \n gull ", ["old gull"], 1, 1),  # white space
        ("old-gull", ["oldgull"], 1, 1),  # punctuation is taken out, not made a blank
        ("another gull", ["gull"], 0, 2 / 3),  # an article within a word is none
        ("old gull", ["gull", "old gull"], 1, 1),  # the nearest of several right answers
        ("gull gull", ["gull"], 0, 2 / 3),  # a word counts as often as it is there
        ("", [""], 1, 1),  # no answer, rightly
        ("gull", [""], 0, 0),  # an answer where there is none
        ("", ["gull"], 0, 0),
        ("the", ["gull"], 0, 0),  # nothing is left of it
        ("rows", ["gull"], 0, 0),
    ],
)
def test_exact_match_and_f1(guess: str, truths: list[str], exact: float, score: float) -> None:
    assert exact_match(guess, truths) == exact
    assert f1(guess, truths) == pytest.approx(score)


@given(st.text("a bthe.-", max_size=12))
def test_what_is_normalised_stays_so(text: str) -> None:
    assert squad(squad(text)) == squad(text)


def judged() -> Judged:
    """Two questions on PASSAGE, the first in two windows; the second has no answer."""
    first, second = window(0, 6), window(4, 10)
    part: dict[str, Any] = {
        "example": np.array([0, 0, 1]),
        "begins": [np.array(w.columns["begins"]) for w in (first, second, first)],
        "ends": [np.array(w.columns["ends"]) for w in (first, second, first)],
        "span": [np.array([4, 5, 4, 12]), np.array([0, 0, 4, 12]), np.array([0, 0])],
    }
    outputs = np.zeros((21, 2), dtype=np.float32)
    outputs[[2, 3], [0, 1]] = 3, 4  # "old gull", in the first window of the first question
    outputs[[7 + 4, 7 + 4], [0, 1]] = 2  # "while"
    outputs[14] = 4, 3  # none, of the second question
    outputs[[14 + 6, 14 + 6], [0, 1]] = 2
    return Judged.of(outputs, part, SPACE)


def test_the_best_of_all_windows_is_the_answer() -> None:
    found = judged()
    assert [found.guess(0), found.guess(1)] == [(4, 12), None]
    assert found.candidates[0][0] == (7.0, (4, 12))
    assert found.null.tolist() == [0.0, 7.0]
    assert [score for score, _ in found.candidates[0]] == sorted((s for s, _ in found.candidates[0]), reverse=True)
    assert {name: METRICS[name].compute(found) for name in ("exact", "overlap")} == {"exact": 1.0, "overlap": 1.0}
    one = -np.log(np.exp(3) / (np.exp(3) + 6)) / 2 - np.log(np.exp(4) / (np.exp(4) + 6)) / 2
    two = -np.log(1 / (np.exp(2) + 6))
    three = -np.log(np.exp(4) / (np.exp(4) + np.exp(2) + 5)) / 2 - np.log(np.exp(3) / (np.exp(3) + np.exp(2) + 5)) / 2
    assert METRICS["loss"].compute(found) == pytest.approx((one + two + three) / 3, rel=1e-6)


def test_the_threshold_of_no_answer_is_the_best_of_the_validation_rows() -> None:
    assert Judged.settles(SPACE)
    assert not Judged.settles({**SPACE, "no_answer": False})
    found = judged()
    threshold = found.settled()["null_threshold"]
    assert found.gaps[0] <= threshold < found.gaps[1]


def test_a_span_is_no_longer_than_it_may_be() -> None:
    outputs = np.zeros((7, 2), dtype=np.float32)
    outputs[1, 0] = outputs[6, 1] = 9
    own = window(0, 6)
    part: dict[str, Any] = {
        "example": np.array([0]), "span": [np.array([0, 0])],
        "begins": [np.array(own.columns["begins"])], "ends": [np.array(own.columns["ends"])],
    }  # fmt: skip
    assert Judged.of(outputs, part, {"longest": 6, "no_answer": False}).guess(0) == (0, 27)
    end = Judged.of(outputs, part, {"longest": 5, "no_answer": False}).guess(0)
    assert end is not None
    assert end != (0, 27)


@pytest.mark.parametrize(
    ("guess", "truth", "score"),
    [(None, [], 1), (None, [(0, 4)], 0), ((0, 4), [], 0), ((0, 4), [(2, 6), (9, 10)], 0.5), ((0, 4), [(0, 4)], 1)],
)
def test_overlap(guess: Any, truth: Any, score: float) -> None:
    assert overlap(guess, truth) == score


def test_what_is_told() -> None:
    examples = [("who?", PASSAGE), ("when?", PASSAGE)]
    said = report(judged(), examples, SPACE, Options(5, 100, 0)).scores
    assert (said["f1"], said["exact_match"], said["f1_answerable"], said["f1_unanswerable"]) == (1, 1, 1, 1)
    assert said["metrics"][0][0] == "f1"
    rows = table(np.array([3, 4]), judged(), examples, SPACE).to_pylist()
    assert [(row["prediction"], row["answers"], row["begin"]) for row in rows] == [
        ("old gull", ["old gull"], 4),
        ("", [""], None),
    ]
    assert worst(judged(), SPACE, 5) == []
    line = render(judged(), 0, SPACE, examples[0])
    assert (line["answer"], line["begin"], line["end"]) == ("old gull", 4, 12)
    assert render(judged(), 1, SPACE, examples[1])["answer"] is None


def test_a_wrong_answer_shows_what_stands_around_both() -> None:
    found = judged()
    turned = Judged([[(13, 18)], []], found.candidates, found.null, found.losses, True, 0.0)
    assert worst(turned, SPACE, 5) == [0]
    told = wrong(turned, 0, SPACE, ("who?", PASSAGE))
    assert told.actual == "the old gull [sails] near the quay while the captain rows near the quay"
    assert told.predicted == "the [old gull] sails near the quay while the captain rows near the quay"
    assert told.detail == "F1 0.0000"
    assert wrong(turned, 1, SPACE, ("who?", PASSAGE)).predicted == "no answer"
