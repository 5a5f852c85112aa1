"""Which tokens are hidden: a share in training, another choice in each epoch; each once where it is scored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import InputError
from stages.encoding import load_encoder
from stages.inputs.pair import Pair
from stages.inputs.text import Text
from stages.learning import TokenRows
from stages.repro.streams import Streams
from stages.scoring.report import Options
from stages.targets.masked.data import Masked
from stages.targets.masked.head import Head
from stages.targets.masked.metrics import METRICS, Judged
from stages.targets.masked.report import render, report, table, worst, wrong
from tests.tiny import ROOT

MODEL = ROOT / "files/smoke/model"
SPACE: dict[str, Any] = {"probability": 0.25, "whole_words": False, "mask": 4, "vocabulary": 50}
WORDS = [np.array([-1, *range(20), -1]), np.array([-1, 0, 0, 1, -1])]
IDS = [np.arange(10, 32, dtype=np.int32), np.array([2, 7, 8, 9, 3], dtype=np.int32)]


def rows() -> TokenRows:
    lengths = np.array([len(ids) for ids in IDS])

    def take(indices: Any) -> dict[str, Any]:
        at = indices.tolist()
        return {
            "id": np.array([5, 6])[indices], "example": indices, "length": lengths[indices],
            "input_ids": [IDS[i] for i in at], "words": [WORDS[i] for i in at],
        }  # fmt: skip

    return TokenRows(lengths, take, 0)


def prepared(epoch: int = 0, **space: Any) -> Any:
    part = rows().take(np.arange(2))
    return Head(SPACE | space).prepared(part, lambda window: Streams(1).generator("prepare", epoch, window))


def test_a_share_of_the_tokens_is_hidden_and_no_special_one() -> None:
    part = prepared()
    assert [len(hidden) for hidden in part["hidden"]] == [5, 1]
    for ids, hidden, words, tokens in zip(IDS, part["hidden"], WORDS, part["tokens"], strict=True):
        assert (words[hidden] >= 0).all()
        assert ids[hidden].tolist() == tokens.tolist()
    others = np.setdiff1d(np.arange(22), part["hidden"][0])
    assert (part["input_ids"][0][others] == IDS[0][others]).all()
    assert IDS[0].tolist() == list(range(10, 32))  # what was read stays as it is


def test_the_choice_is_a_function_of_epoch_and_row() -> None:
    assert prepared(3)["hidden"][0].tolist() == prepared(3)["hidden"][0].tolist()
    assert len({tuple(prepared(epoch)["hidden"][0]) for epoch in range(20)}) > 15


def test_most_are_masked_some_are_other_tokens_some_stay() -> None:
    shown = np.concatenate([prepared(epoch)["input_ids"][0][prepared(epoch)["hidden"][0]] for epoch in range(400)])
    own = np.concatenate([prepared(epoch)["tokens"][0] for epoch in range(400)])
    assert np.mean(shown == 4) == pytest.approx(0.8 + 0.1 / 50, abs=0.03)
    assert np.mean(shown == own) == pytest.approx(0.1 + 0.1 / 50, abs=0.03)


def test_whole_words_are_hidden_together() -> None:
    for epoch in range(20):
        hidden = prepared(epoch, whole_words=True)["hidden"][1].tolist()
        assert hidden in ([1, 2], [3])


@pytest.mark.parametrize("whole", [False, True])
def test_where_it_is_scored_each_token_is_hidden_once(whole: bool) -> None:
    head = Head(SPACE | {"whole_words": whole})
    scored = head.scored(rows())
    part = scored.take(np.arange(len(scored.lengths)))
    assert part["example"].tolist() == [0] * 4 + [1] * (2 if whole else 3)  # fewer units, fewer copies
    for example, words in enumerate(WORDS):
        of = [hidden for hidden, own in zip(part["hidden"], part["example"], strict=True) if own == example]
        assert sorted(np.concatenate(of).tolist()) == np.flatnonzero(words >= 0).tolist()
    for ids, hidden in zip(part["input_ids"], part["hidden"], strict=True):
        assert (ids[hidden] == 4).all()
        assert (ids == 4).sum() == len(hidden)


def test_a_text_without_tokens_has_none_that_is_hidden() -> None:
    none = TokenRows(np.array([2]), lambda i: {"length": np.array([2]), "example": i, "input_ids": [np.array([2, 3])],
                                               "words": [np.array([-1, -1])]}, 0)  # fmt: skip
    scored = Head(SPACE).scored(none)
    assert Head(SPACE).units(scored.take(np.arange(1))).tolist() == [0]
    assert Head(SPACE).units(Head(SPACE).prepared(none.take(np.arange(1)), np.random.default_rng)).tolist() == [0]


def test_words_are_told_from_tokens() -> None:
    encoder = replace(load_encoder(MODEL, 16), exact=True)
    (text,) = Text().encode([("the gulls sail",)], encoder)
    found = Masked().align(None, text.windows[0])
    tokens = [encoder.whole.id_to_token(i) for i in text.windows[0].ids]
    assert [n for n, token in zip(found, tokens, strict=True) if n >= 0 and not token.startswith("##")] == [0, 1, 2]
    assert (found[0], found[-1]) == (-1, -1)
    (pair,) = Pair().encode([("gull", "gull")], encoder)
    assert Masked().align(None, pair.windows[0]) == [-1, 0, -1, 1, -1]  # the words of both texts


def test_a_tokenizer_without_a_mask_is_refused() -> None:
    encoder = replace(load_encoder(MODEL, 16), mask=None)
    with pytest.raises(InputError, match=r"^target.name: masked needs a mask token"):
        Masked().completed({}, encoder)


def judged() -> Judged:
    head = Head(SPACE)
    scored = head.scored(rows())
    part = scored.take(np.arange(len(scored.lengths)))
    tokens = np.concatenate(part["tokens"])
    logits = torch.zeros(len(tokens), 50)
    logits[torch.arange(20), torch.from_numpy(tokens[:20])] = np.log(49.0)  # of the first text: a half each
    gathered = head.gathered(logits, part).numpy()
    return Judged.of(gathered, part, SPACE)


def test_scores() -> None:
    found = judged()
    assert len(found) == 2
    assert METRICS["accuracy"].compute(found) == pytest.approx(20 / 23)
    loss = (20 * np.log(2) + 3 * np.log(50)) / 23
    assert METRICS["loss"].compute(found) == pytest.approx(loss, rel=1e-6)
    assert METRICS["pseudo_perplexity"].compute(found) == pytest.approx(np.exp(loss), rel=1e-6)


def test_what_is_told() -> None:
    said = report(judged(), (), SPACE, Options(5, 100, 0))
    assert said.scores["metrics"][0][:2] == ["pseudo_perplexity", "lower"]
    assert set(said.scores["intervals"]) == {"pseudo_perplexity", "accuracy", "log_loss"}
    assert render(judged(), 0, SPACE, ()) == {"pseudo_perplexity": pytest.approx(2), "tokens": 20}
    assert table(np.array([5, 6]), judged(), (), SPACE).column("found").to_pylist() == [20, 0]
    assert worst(judged(), SPACE, 5) == [1]
    assert wrong(judged(), 1, SPACE, ()).detail == "pseudo-perplexity 50"
