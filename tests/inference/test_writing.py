"""Responses as texts, and what is refused before any is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stages import evaluate
from stages.core.errors import InputError
from stages.core.params import decode
from stages.encoding import load_encoder
from stages.inference.writing import responses, rules_of
from stages.models.building import build
from stages.predicting.writing import generation
from stages.repro.group import Alone
from stages.scoring.generation import Generate
from stages.targets.next.head import Head
from tests.tiny import ROOT

FOLDER = ROOT / "files/chat/model"
ENCODER = load_encoder(FOLDER, 64)
SPACE: dict[str, Any] = {"ends": [2]}


def test_what_is_wanted_and_what_is_written() -> None:
    model: Any = build(FOLDER, Head({}), "random", "new", {}, 0).model
    ids = ENCODER.whole.encode("where is this? In the garden.<|im_end|>\n").ids
    counts = np.array([int(place >= len(ids) - 8) for place in range(len(ids))])
    part = {"input_ids": [np.array(ids)], "counts": [counts]}
    group = Alone(torch.device("cpu"))
    ((wanted, written),) = responses(model, part, ENCODER, Generate(max_new_tokens=5), SPACE, group, "test")
    assert "where is this? In the garden.".endswith(wanted)
    (whole,) = (found for _, found in responses(model, part, ENCODER, Generate(max_new_tokens=9), SPACE, group, "test"))
    assert whole.startswith(written)
    stop = whole[3:6]
    asked = Generate(max_new_tokens=9, stop=(stop,))
    assert responses(model, part, ENCODER, asked, SPACE, group, "test")[0][1] == whole[: whole.index(stop)].strip()


@pytest.mark.parametrize("stop", ["", " ", "<|im_end|>"])
def test_a_stop_of_which_nothing_is_left_is_refused(stop: str) -> None:
    with pytest.raises(InputError, match=r"^evaluate.generate.stop: nothing is left of"):
        rules_of(Generate(stop=(stop,)), ENCODER, SPACE)


def tree(example: str, target: str, generate: Any) -> dict[str, Any]:
    section = {"bootstrap": 100, "bootstrap_seed": 0, "calibration_bins": 5, "worst": 5, "generate": generate}
    return {"input": {"name": example}, "target": {"name": target}, "evaluate": section}


@pytest.mark.parametrize(("example", "target"), [("text", "next"), ("text", "classes")])
def test_texts_without_responses_are_not_written(example: str, target: str) -> None:
    with pytest.raises(InputError, match=r"evaluate.generate: wanted null: responses are written for input chat"):
        decode(evaluate.Params, tree(example, target, {}), {}, "params.yaml")
    assert decode(evaluate.Params, tree(example, target, None), {}, "params.yaml").evaluate.generate is None


@pytest.mark.parametrize(
    ("generate", "message"),
    [
        ({"max_new_tokens": 0}, "evaluate.generate.max_new_tokens: found 0, wanted greater than or equal to 1"),
        ({"extract": "("}, "evaluate.generate.extract: .* is no regular expression"),
        ({"scores": ["blue"]}, "evaluate.generate.scores.0: found \"blue\""),
        ({"stops": ["x"]}, "evaluate.generate.stops: unknown key .nearest: 'stop'"),
    ],
)  # fmt: skip
def test_keys_that_are_none(generate: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode(evaluate.Params, tree("chat", "next", generate), {}, "params.yaml")


def test_predict_writes_as_evaluate_does_and_options_stand_in_its_place(tmp_path: Any) -> None:
    asked = {"max_new_tokens": None, "stop": ["."], "repetition_penalty": None}
    assert generation(asked, tmp_path / "none") == Generate(stop=(".",))
    (tmp_path / "params.yaml").write_text("evaluate: {generate: {max_new_tokens: 7, stop: [x], normalise: number}}\n")
    assert generation(asked, tmp_path / "params.yaml") == Generate(
        max_new_tokens=7, stop=(".",), normalise="number"
    )  # fmt: skip
    with pytest.raises(InputError, match=r"options: evaluate.generate.max_new_tokens: found -1"):
        generation({**asked, "max_new_tokens": -1}, tmp_path / "none")
