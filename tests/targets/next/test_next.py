"""Each token is foreseen from those before it; of conversations those of the responses alone count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import InputError
from stages.encoding import load_encoder
from stages.interfaces import Window
from stages.scoring.generation import Generate
from stages.scoring.report import Options
from stages.targets.next.data import Next
from stages.targets.next.head import Head
from stages.targets.next.metrics import METRICS, Judged
from stages.targets.next.report import render, report, table, worst, wrong
from stages.targets.next.written import Written
from tests.tiny import ROOT

PART: dict[str, Any] = {
    "example": np.array([0, 1, 2]), "length": np.array([4, 3, 1]),
    "input_ids": [np.array([5, 6, 7, 2], dtype=np.int32), np.array([5, 8, 9], dtype=np.int32), np.array([5])],
    "counts": [np.array([0, 0, 1, 1]), np.array([0, 1, 1]), np.array([0])],
}  # fmt: skip


def test_the_places_are_those_before_the_tokens_that_count() -> None:
    head = Head({})
    assert head.places(PART).tolist() == [1, 2, 4, 5]
    assert head.units(PART).tolist() == [2, 2, 0]


def test_losses_are_those_of_the_tokens_that_follow() -> None:
    outputs = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    wanted = torch.tensor([7, 2, 8, 9])
    own = -outputs.log_softmax(dim=1)[torch.arange(4), wanted]
    torch.testing.assert_close(Head({}).losses(outputs, PART, 0.0), own)
    log, true = Head({}).log_probabilities(outputs, PART)
    torch.testing.assert_close(log[:, 0].gather(1, true)[:, 0], -own)


def test_what_counts() -> None:
    assert Next().align(None, Window([1, 2, 3])) == [0, 1, 1]
    assert Next().align(None, Window([1, 2, 3], counts=[0, 0, 1])) == [0, 0, 1]
    assert Next().align([], Window([1, 2], counts=[0, 0])) == [0, 0]
    with pytest.raises(InputError, match="a row without a response has nothing to learn"):
        Next().align(None, Window([1, 2], counts=[0, 0]))


def test_the_space_holds_the_tokens_that_end_a_text() -> None:
    encoder = load_encoder(ROOT / "files/chat/model", 16)
    assert Next().completed(Next().space([]), encoder) == {"ends": [2]}
    assert Next().completed({}, replace(encoder, ends=[])) == {"ends": []}


def judged() -> Judged:
    logits = torch.zeros(4, 10)
    logits[0, 7] = np.log(9.0)  # a half
    return Judged.of(Head({}).gathered(logits, PART).numpy(), PART, {})


def test_scores() -> None:
    loss = (np.log(2) + 3 * np.log(10)) / 4
    assert METRICS["loss"].compute(judged()) == pytest.approx(loss, rel=1e-6)
    assert METRICS["perplexity"].compute(judged()) == pytest.approx(np.exp(loss), rel=1e-6)
    assert METRICS["accuracy"].compute(judged()) == 0.25


def test_what_is_told() -> None:
    found = judged()
    some = Judged(found.loss[:2], found.hits[:2], found.tokens[:2])
    said = report(some, (), {}, Options(5, 100, 0))
    assert said.scores["metrics"][0][:2] == ["perplexity", "lower"]
    assert table(np.array([3, 4, 5]), found, (), {}).column("tokens").to_pylist() == [2, 2, 0]
    assert worst(found, {}, 5) == [1, 0]
    assert wrong(found, 1, {}, ()).detail == "perplexity 10"
    assert render(found, 1, {}, ()) == {"perplexity": pytest.approx(10), "tokens": 2}
    assert render(found, 2, {}, ()) == {"perplexity": None, "tokens": 0}


def test_what_is_told_of_responses() -> None:
    found = judged()
    some = Judged(found.loss[:2], found.hits[:2], found.tokens[:2])
    asked = Generate(scores=("bleu", "exact_match"), normalise="number")
    beside = Written.beside(some, [("it is 7", "#### 7.0"), ("it is 8", "it is 9")], asked)
    said = report(beside, (), {}, Options(5, 100, 0))
    assert [name for name, *_ in said.scores["metrics"]] == [
        "bleu",
        "exact_match",
        "perplexity",
        "accuracy",
        "log_loss",
    ]
    assert said.scores["exact_match"] == 0.5
    assert said.scores["notes"][0].startswith("BLEU nrefs:1|case:mixed|")
    assert worst(beside, {}, 5) == [1]
    told = wrong(beside, 1, {}, ())
    assert (told.actual, told.predicted, told.detail) == ("it is 8", "it is 9", "perplexity 10")
    held = table(np.array([3, 4]), beside, (), {}).to_pydict()
    assert (held["prediction"], held["match"]) == (["#### 7.0", "it is 9"], [True, False])
