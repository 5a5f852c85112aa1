"""Scores of texts are those of the libraries, and the answers compared are those that people mean."""

from __future__ import annotations

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import corpus_bleu, corpus_chrf

from stages.scoring import texts
from stages.scoring.bootstrap import intervals

WANTED = ["the old gull sails near the quay", "a rose withers in the garden", "the clerk prints a memo", "the ferry"]
WRITTEN = ["the old gull sails beside the quay", "a rose withers in the garden", "", "the bright ferry copies"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("it is $1,234.50.", "1234.5"), ("#### 72", "72"), ("2 + 2 = 4.00", "4"), ("-3", "-3"), ("none", ""), ("0.0", "0"),
     ("-0", "0"), (".5 of it", "0.5")],
)  # fmt: skip
def test_the_last_number(text: str, number: str) -> None:
    assert texts.number(text) in (number, number.removeprefix("0"))


def test_answers() -> None:
    assert texts.answer("so #### 12 not 13", r"#### (\S+)", "number") == "12"
    assert texts.answer("x=1 x=2", r"x=\d", "none") == "x=2"
    assert texts.answer("nothing", r"x=\d", "none") == ""
    assert texts.answer("The  Old Gull!", None, "squad") == "old gull"
    assert texts.answer(" The  Old ", None, "lower") == "the old"
    assert texts.answer(" The  Old ", None, "none") == "The  Old"


def test_what_wants_no_answer_is_matched_by_none() -> None:
    assert texts.matches(["7", "none", "8"], ["it is 7", "none", "9"], None, "number").tolist() == [1, 0, 0]


@pytest.mark.parametrize(("kind", "whole"), [("bleu", corpus_bleu), ("chrf", corpus_chrf)])
def test_scores_of_a_corpus_are_sacrebleus(kind: str, whole: object) -> None:
    metric, signature = texts.corpus(kind, WANTED, WRITTEN)
    assert metric.compute(WANTED) == whole(WRITTEN, [WANTED]).score  # type: ignore[operator]
    assert "|version:" in signature
    some = [0, 1, 1, 3]
    sums = metric.counts(WANTED)[some].sum(axis=0)  # type: ignore[misc]
    theirs = whole([WRITTEN[i] for i in some], [[WANTED[i] for i in some]])  # type: ignore[operator]
    assert metric.value(sums) == theirs.score
    low, high = intervals(WANTED, {kind: metric}, 50, 0)[kind]
    assert low <= metric.compute(WANTED) <= high


def test_rouge_is_that_of_its_library() -> None:
    found = texts.rouge(WANTED, WRITTEN)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for name, values in found.items():
        theirs = [scorer.score(one, two)[name].fmeasure for one, two in zip(WANTED, WRITTEN, strict=True)]
        np.testing.assert_array_equal(values, theirs)
    assert texts.means(found["rouge1"]).compute(WANTED) == pytest.approx(np.mean(found["rouge1"]))
