"""Tags: schemes read or refused by word, spans and F1 as seqeval has them, words counted once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, f1_score
from seqeval.metrics.sequence_labeling import get_entities

from stages.core.errors import InputError
from stages.scoring.bootstrap import intervals
from stages.scoring.report import Options
from stages.targets.tags.data import Tags, read
from stages.targets.tags.metrics import METRICS, Judged, spans
from stages.targets.tags.report import METRICS as ALL
from stages.targets.tags.report import render, report, table, worst, wrong

LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
SPACE = {"labels": LABELS}
SENTENCES = st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8), min_size=1)


def judged(sentences: list[list[tuple[int, int]]]) -> Judged:
    """Return sentences of (true tag, guessed tag); every word has a token, every guess a probability of 0.9."""
    flat = [pair for sentence in sentences for pair in sentence]
    guess = np.array([two for _, two in flat])
    logits = np.log(np.full((len(flat), 5), 0.025)) + np.eye(5)[guess] * (np.log(0.9) - np.log(0.025))
    part: dict[str, Any] = {
        "example": np.arange(len(sentences)),
        "words": [np.arange(len(sentence)) for sentence in sentences],
        "places": [np.arange(1, len(sentence) + 1) for sentence in sentences],
        "tags": [np.array([one for one, _ in sentence]) for sentence in sentences],
    }
    return Judged.of(logits.astype(np.float32), part, SPACE)


def names(sentences: list[list[tuple[int, int]]], side: int) -> list[list[str]]:
    return [[LABELS[pair[side]] for pair in sentence] for sentence in sentences]


@given(SENTENCES)
def test_spans_are_those_of_seqeval(sentences: list[list[tuple[int, int]]]) -> None:
    """Whatever the tags: a model may write I-TYPE after O or after another type."""
    found = judged(sentences)
    starts = np.cumsum([0, *map(len, sentences)])
    for side, own in ((0, found.true_spans), (1, found.guessed_spans)):
        wanted = [
            (starts[n] + first, starts[n] + last + 1, ["LOC", "PER"].index(kind))
            for n, tags in enumerate(names(sentences, side)) for kind, first, last in get_entities(tags)
        ]  # fmt: skip
        assert [tuple(span) for span in own.tolist()] == wanted


@given(SENTENCES)
@pytest.mark.filterwarnings("ignore:.*(no true nor predicted|no predicted|no true).*")
def test_f1_and_accuracy_are_those_of_seqeval(sentences: list[list[tuple[int, int]]]) -> None:
    found, (true, guessed) = judged(sentences), (names(sentences, side) for side in (0, 1))
    assert METRICS["f1"].compute(found) == pytest.approx(f1_score(true, guessed, zero_division=0))
    assert METRICS["accuracy"].compute(found) == pytest.approx(accuracy_score(true, guessed))


def test_scores_by_hand() -> None:
    # LOC LOC is found; PER is found too short; the second sentence has a LOC that is none
    found = judged([[(1, 1), (2, 2), (0, 0), (3, 3), (4, 0)], [(0, 1), (0, 0)]])
    said = report(found, (), SPACE, Options(5, 100, 0))
    assert (said.scores["precision"], said.scores["recall"], said.scores["f1"]) == (
        pytest.approx(1 / 3, abs=1e-6), 0.5, 0.4,
    )  # fmt: skip
    assert said.scores["accuracy"] == pytest.approx(5 / 7, abs=1e-6)
    assert [(row["type"], row["true"], row["predicted"], row["f1"]) for row in said.scores["per_type"]] == [
        ("LOC", 1, 2, pytest.approx(2 / 3, abs=1e-6)), ("PER", 1, 1, 0.0),
    ]  # fmt: skip
    header, rows = said.tables["matrix/types.tsv"]
    assert [tuple(row[:3]) for row in rows] == [
        ("LOC", "LOC", 1), ("PER", "PER", 0), ("PER", "no span", 1), ("no span", "LOC", 1), ("no span", "PER", 1),
    ]  # fmt: skip
    assert header == ("actual", "predicted", "examples", "share", "row", "column")


def test_a_sentence_is_resampled_as_a_whole() -> None:
    found = judged([[(1, 1)], [(3, 0)], [(0, 0), (1, 1)]])
    draw = np.random.Generator(np.random.PCG64(4)).integers(0, 3, size=(100, 3))
    counts = np.array([[1, 1, 1], [0, 1, 0], [1, 1, 1]])  # right, true, guessed
    sums = counts[draw].sum(axis=1)
    wanted = np.where(sums[:, 1] + sums[:, 2] > 0, 2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1), 0)
    assert intervals(found, ALL, 100, 4)["f1"] == pytest.approx(tuple(np.quantile(wanted, (0.025, 0.975))))


def test_windows_are_one_sentence_and_words_without_a_token_are_outside() -> None:
    logits = np.eye(5, dtype=np.float32)[[1, 2, 3]] * 9
    part: dict[str, Any] = {
        "example": np.array([0, 0]),
        "words": [np.array([0, 1]), np.array([2, 3])],
        "places": [np.array([1, 2]), np.array([-1, 1])],
        "tags": [np.array([1, 2]), np.array([2, 3])],
    }
    found = Judged.of(logits, part, SPACE)
    assert (len(found), found.guess.tolist(), found.seen.tolist()) == (1, [1, 2, 0, 3], [True, True, False, True])
    assert found.true_spans.tolist() == [[0, 3, 0], [3, 4, 1]]
    assert found.guessed_spans.tolist() == [[0, 2, 0], [3, 4, 1]]
    assert METRICS["accuracy"].compute(found) == 0.75
    assert report(found, (), SPACE, Options(5, 100, 0)).scores["notes"] == [
        "1 words have no token: they are taken for O"
    ]


def test_without_spans_scores_are_null_and_noted() -> None:
    said = report(judged([[(0, 0), (0, 1)]]), (), SPACE, Options(5, 100, 0)).scores
    assert (said["f1"], said["precision"], said["accuracy"]) == (None, None, 0.5)
    assert said["notes"] == ["the data names no span: precision, recall and F1 are undefined"]


def test_the_worst_sentences_show_both_taggings() -> None:
    found = judged([[(1, 1), (2, 0)], [(0, 0)], [(3, 1), (4, 2)]])
    assert worst(found, SPACE, 5) == [0, 2]
    said = wrong(found, 0, SPACE, (("New", "York"),))
    assert (said.actual, said.predicted, said.detail) == ("[New York LOC]", "[New LOC] York", "1 missed, 1 not there")


def test_a_line_of_predict_names_spans() -> None:
    assert render(judged([[(0, 0)], [(0, 0), (0, 1), (0, 2)]]), 1, SPACE, (("in", "New", "York"),)) == {
        "words": ["in", "New", "York"],
        "tags": ["O", "B-LOC", "I-LOC"],
        "entities": [{"type": "LOC", "text": "New York", "start": 1, "end": 3}],
    }


def test_predictions_are_lists_a_sentence() -> None:
    found = table(np.array([7, 9]), judged([[(1, 1)], [(0, 3), (0, 4)]]), (), SPACE)
    assert found.drop(["confidence"]).to_pydict() == {
        "id": [7, 9], "tags": [["B-LOC"], ["O", "O"]], "prediction": [["B-LOC"], ["B-PER", "I-PER"]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "tags", "bio"),
    [
        ("bio", "B-X I-X O B-X B-X", "B-X I-X O B-X B-X"),
        ("iob1", "I-X I-X O I-Y I-X B-X", "B-X I-X O B-Y B-X B-X"),
        ("bilou", "B-X I-X L-X O U-Y B-X L-X", "B-X I-X I-X O B-Y B-X I-X"),
        ("bilou", "B-X E-X S-Y", "B-X I-X B-Y"),
    ],
)
def test_every_scheme_is_read_as_bio(scheme: str, tags: str, bio: str) -> None:
    assert read(tags.split(), scheme, "f, line 1") == tuple(bio.split())


@pytest.mark.parametrize(
    ("scheme", "tags", "message"),
    [
        ("bio", "O I-X", "f, line 1: word 2: tag 'I-X' after no span (target.scheme is bio; the others are iob1"),
        ("bio", "B-X I-Y", "f, line 1: word 2: tag 'I-Y' after one of 'X'"),
        ("bio", "B-", "f, line 1: word 1: tag 'B-', wanted O, B-TYPE, I-TYPE (target.scheme: bio)"),
        ("bio", "U-X", "f, line 1: word 1: tag 'U-X', wanted O, B-TYPE, I-TYPE"),
        ("bilou", "B-X O", "f, line 1: word 2: tag 'O', but the span of 'X' has no end"),
        ("bilou", "B-X", "f, line 1: word 1: the span of 'X' has no end"),
        ("bilou", "L-X", "f, line 1: word 1: tag 'L-X' after no span"),
    ],
)
def test_an_ill_formed_sequence_is_told_by_word(scheme: str, tags: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tags.split(), scheme, "f, line 1")
    assert str(caught.value).startswith(message)


@given(st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), min_size=1, max_size=9))
def test_what_is_well_formed_keeps_its_spans_in_every_scheme(tags: list[str]) -> None:
    wanted = read(tags, "iob1", "f")
    assert read(wanted, "bio", "f") == wanted
    assert get_entities(list(wanted)) == get_entities(list(wanted), suffix=False)
    indices = {"O": 0, "B-X": 1, "I-X": 2, "B-Y": 3, "I-Y": 4}
    found = spans(np.array([indices[tag] for tag in wanted]), np.zeros(len(wanted), dtype=np.int64))
    assert len(found) == len(get_entities(list(wanted)))


def test_each_word_has_one_tag() -> None:
    with pytest.raises(InputError, match="^f, line 1: 2 words, but 1 tags: wanted one a word$"):
        Tags().answer((("a", "b"),), (("O",),), "f, line 1")


def test_the_space_has_a_begin_and_an_inside_of_every_type() -> None:
    answers = [(("O", "B-b"),), (("B-a", "I-a"),)]
    assert Tags().space(answers) == {"labels": ["O", "B-a", "I-a", "B-b", "I-b"]}
    with pytest.raises(InputError, match="every tag is O: there is nothing to learn"):
        Tags().space([(("O",),)])
