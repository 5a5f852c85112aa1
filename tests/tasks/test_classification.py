"""The classification task: a model from parameters, and its inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.core.errors import InputError
from stages.core.files import write_json
from stages.tasks.classification import Classification
from tests import tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model_folder(tmp_path_factory.mktemp("base") / "model")


def build(folder: Path, init: str = "pretrained", key: int = 1, **overrides: Any) -> Any:
    return Classification().model(folder, ["x", "y"], init, overrides, key)


def test_pretrained_weights_are_those_of_the_base(base: Path) -> None:
    from safetensors.torch import load_file

    model, head = build(base)
    saved = load_file(base / "model.safetensors")
    assert head == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(value, saved[name]) for name, value in model.bert.state_dict().items())
    assert model.config.id2label == {0: "x", 1: "y"}


def test_the_head_is_a_function_of_its_key(base: Path) -> None:
    one, again, other = (build(base, key=key)[0].classifier.weight for key in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_random_weights_are_a_function_of_the_key(base: Path) -> None:
    one, again, other = (build(base, "random", key)[0].state_dict() for key in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["bert.pooler.dense.weight"], other["bert.pooler.dense.weight"])


def test_random_weights_need_no_weight_file(tmp_path: Path) -> None:
    model, head = build(tiny.model_folder(tmp_path / "bare", weights=False), "random")
    assert head == {"classifier.weight", "classifier.bias"}
    assert model.dtype == torch.float32


def test_a_model_is_a_generator_applied_to_parameters(base: Path) -> None:
    model, _ = build(base, hidden_act="relu", num_hidden_layers=1)
    assert len(model.bert.encoder.layer) == 1
    assert model.config.hidden_act == "relu"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_hidden_layers": 5}, "no pretrained weights fit bert.encoder.layer.2.*; set model.init: random"),
        ({"hidden_size": 32}, "set model.init: random|model cannot be built"),
        ({"hidden_layers": 1}, r"overrides.hidden_layers: no field of a bert config \(nearest: 'num_hidden_layers'"),
        ({"hidden_size": "many"}, "model.overrides.hidden_size: Field 'hidden_size' expected int, got str"),
        ({"num_attention_heads": 3}, "with model.overrides num_attention_heads=3: the model cannot be built"),
    ],
)  # fmt: skip
def test_unusable_overrides_are_refused(base: Path, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(base, **overrides)


def test_a_folder_without_config_or_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a model folder without config.json"):
        build(tmp_path)
    with pytest.raises(InputError, match="the model cannot be built"):
        build(tiny.model_folder(tmp_path / "bare", weights=False))


def test_an_unknown_kind_of_model_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "bart-simpson"})
    with pytest.raises(InputError, match=r"config\.json"):
        build(tmp_path)


def test_collate_pads_at_the_end() -> None:
    rows = [np.array([2, 7, 3], dtype=np.int32), np.array([2], dtype=np.int32)]
    found = Classification().collate(rows, 4, 9)
    assert found["input_ids"].tolist() == [[2, 7, 3, 9], [2, 9, 9, 9]]
    assert found["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert found["input_ids"].dtype == torch.int64


def test_saved_and_loaded_it_gives_the_same_logits(base: Path, tmp_path: Path) -> None:
    model, _ = build(base)
    model.save_pretrained(tmp_path / "saved")
    inputs = Classification().collate([np.array([2, 8, 3])], 3, 0)
    loaded = Classification().load(tmp_path / "saved")
    assert torch.equal(loaded.eval()(**inputs).logits, model.eval()(**inputs).logits)
