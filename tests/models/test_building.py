"""A model from parameters: the base's weights, a head for what is learnt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stages.core.errors import InputError
from stages.core.files import read_json, write_json
from stages.learning import Built
from stages.models.building import build as make
from stages.models.building import load
from stages.targets.classes.head import Head
from stages.targets.masked.head import Head as Hidden
from tests import tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model_folder(tmp_path_factory.mktemp("base") / "model")


LABELS = ["x", "y"]


def built(
    folder: Path, init: str = "pretrained", key: int = 1, head: str = "new", labels: Sequence[str] = LABELS,
    **overrides: Any,
) -> Built:  # fmt: skip
    return make(folder, Head({"labels": list(labels)}), init, head, overrides, key)


def build(folder: Path, init: str = "pretrained", key: int = 1, **overrides: Any) -> Any:
    return built(folder, init, key, **overrides).model


def test_pretrained_weights_are_those_of_the_base(base: Path) -> None:
    from safetensors.torch import load_file

    found = built(base)
    model: Any = found.model
    saved = load_file(base / "model.safetensors")
    assert (found.head, found.notes) == ({"classifier.weight", "classifier.bias"}, [])
    assert all(torch.equal(value, saved[name]) for name, value in model.bert.state_dict().items())
    assert model.config.id2label == {0: "x", 1: "y"}


def test_the_head_is_a_function_of_its_key(base: Path) -> None:
    one, again, other = (build(base, key=key).classifier.weight for key in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_random_weights_are_a_function_of_the_key(base: Path) -> None:
    one, again, other = (build(base, "random", key).state_dict() for key in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["bert.pooler.dense.weight"], other["bert.pooler.dense.weight"])


def test_random_weights_say_that_those_of_the_base_are_left_unread(base: Path) -> None:
    assert built(base, "random").notes == [f"model.init: random: the weights in {base} are left unread"]


def test_random_weights_need_no_weight_file(tmp_path: Path) -> None:
    found = built(tiny.model_folder(tmp_path / "bare", weights=False), "random")
    assert found.head == {"classifier.weight", "classifier.bias"}
    assert {p.dtype for p in found.model.parameters()} == {torch.float32}


def test_a_model_is_a_generator_applied_to_parameters(base: Path) -> None:
    found = built(base, hidden_act="relu", num_hidden_layers=1)
    model: Any = found.model
    assert len(model.bert.encoder.layer) == 1
    assert model.config.hidden_act == "relu"
    (note,) = found.notes
    assert note == (
        "with model.overrides hidden_act=relu, num_hidden_layers=1: left out of the base's weights: "
        "encoder.layer.1.attention.output.LayerNorm.bias, encoder.layer.1.attention.output.LayerNorm.weight, "
        "encoder.layer.1.attention.output.dense.bias and 13 more"
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"num_hidden_layers": 5},
            r"with model.overrides num_hidden_layers=5: no pretrained weights fit bert.encoder.layer.2.* and 45 more; "
            "take the override back, or set model.init: random to draw all weights",
        ),
        ({"hidden_size": 32}, r"no pretrained weights fit bert.* and \d+ more; take the override back"),
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


def test_saved_and_loaded_it_gives_the_same_logits(base: Path, tmp_path: Path) -> None:
    model = build(base)
    model.save_pretrained(tmp_path / "saved")
    inputs = {"input_ids": torch.tensor([[2, 8, 3]]), "lengths": torch.tensor([3])}
    loaded: Any = load(tmp_path / "saved", Head({"labels": LABELS}))
    assert torch.equal(loaded.eval()(**inputs).logits, model.eval()(**inputs).logits)
    with pytest.raises(InputError, match=r"its classes are x, y, those of the data y, x: run finetune again"):
        load(tmp_path / "saved", Head({"labels": ["y", "x"]}))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """Return a folder of a model that was fine-tuned for the labels x and y."""
    folder = tmp_path_factory.mktemp("classifier")
    build(base, key=9).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("labels", [["x", "y"], ["x", "y", "z"]])
def test_the_head_of_a_classifier_is_new(base: Path, classifier: Path, labels: list[str]) -> None:
    found, again, other = (built(classifier, key=key, labels=labels) for key in (1, 1, 2))
    heads = [found.model.classifier.weight, again.model.classifier.weight, other.model.classifier.weight]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert heads[0].shape == (len(labels), 16)
    assert found.head == {"classifier.weight", "classifier.bias"}
    assert found.notes == ["model.head: new: the base's own head, of x, y, is left out"]
    wanted = build(base, key=9).bert.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in found.model.bert.state_dict().items())


def test_the_head_of_the_same_labels_can_be_kept(base: Path, classifier: Path) -> None:
    found = built(classifier, head="kept")
    assert torch.equal(found.model.classifier.weight, build(base, key=9).classifier.weight)
    assert (found.head, found.notes) == ({"classifier.weight", "classifier.bias"}, [])


@pytest.mark.parametrize(
    ("init", "labels", "message"),
    [
        ("pretrained", ["x", "z"], "model.head: kept, but the base's labels are x, y and those of the data x, z: set"),
        ("pretrained", ["y", "x"], "model.head: kept, but the base's labels are x, y and those of the data y, x: set"),
        ("pretrained", ["x", "y", "z"], "labels are x, y and those of the data x, y, z: set model.head: new"),
        ("random", ["x", "y"], "model.head: kept, but model.init is random: its weights are drawn"),
    ],
)
def test_no_other_head_is_kept(classifier: Path, init: str, labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(classifier, init, head="kept", labels=labels)


def test_a_base_without_a_head_has_none_to_keep(base: Path) -> None:
    with pytest.raises(InputError, match=r"^model.head: kept, but .* has no head of this kind: set model.head: new$"):
        built(base, head="kept")


def test_a_model_that_was_never_fine_tuned_is_not_loaded(base: Path) -> None:
    with pytest.raises(InputError, match=r"no fine-tuned model: no weights that fit classifier.bias, classifier"):
        load(base, Head({"labels": ["LABEL_0", "LABEL_1"]}))


def test_half_a_model_is_refused_with_what_to_choose(tmp_path: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    T5EncoderModel(config).save_pretrained(tmp_path)
    message = (
        r"no pretrained weights fit transformer.decoder.* and \d+ more; the folder holds a T5EncoderModel: choose one "
        r"with the weights of a T5Model \(model.init: random would draw all weights, and what the base has learnt"
    )
    with pytest.raises(InputError, match=message):
        build(tmp_path)


def test_code_in_the_folder_never_runs(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    lure = {"AutoConfig": "evil.C", "AutoModel": "evil.M", "AutoModelForSequenceClassification": "evil.M"}
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "auto_map": lure})
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("standard input was read"))
    model = build(folder)
    model.save_pretrained(tmp_path / "saved")
    assert "auto_map" not in read_json(tmp_path / "saved/config.json")
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "model_type": "evil"})
    with pytest.raises(
        InputError, match=r"model_type: 'evil' is no architecture that transformers knows, and code that a folder"
    ):
        build(folder)
    assert not (tmp_path / "ran").exists()


BENT: list[tuple[dict[str, Any], str]] = [
    ({"model_type": ["bert"]}, r"config.json: model_type: found \['bert'\], wanted the name of an architecture"),
    ({"model_type": None}, "config.json: model_type: found None, wanted the name of an architecture"),
    ({"hidden_size": "many"}, "config.json: .*hidden_size"),
    ({"hidden_size": 0}, "."),
    ({"num_attention_heads": 0}, "."),
    ({"num_attention_heads": None}, "config.json: .*num_attention_heads"),
    ({"vocab_size": None}, "config.json: .*vocab_size"),
    ({"num_hidden_layers": -1}, "config.json: num_hidden_layers: found -1, wanted a whole number from 1 to 1,000"),
    (
        {"num_hidden_layers": 1 << 62},
        "config.json: num_hidden_layers: found 4611686018427387904, wanted a whole number",
    ),
    ({"num_attention_heads": -1}, "config.json: num_attention_heads: found -1, wanted a whole number from 1 to 10,000"),
    ({"hidden_act": 7}, "config.json: .*hidden_act"),
    ({"id2label": [1]}, "config.json: "),
    (
        {"quantization_config": {"quant_method": "bitsandbytes"}},
        "quantization_config: quantized weights cannot be fine",
    ),
    ({"transformers_weights": "evil.bin"}, "transformers_weights: names the file of weights: wanted model.safetensors"),
    ({"dtype": "evil"}, "."),
]


@pytest.mark.parametrize("init", ["pretrained", "random"])
@pytest.mark.parametrize(("change", "message"), BENT)
def test_a_bent_config_is_one_message(
    base: Path, tmp_path: Path, change: dict[str, Any], message: str, init: str
) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    write_json(folder / "config.json", {**read_json(folder / "config.json"), **change})
    with pytest.raises(InputError, match=message):
        build(folder, init)


def test_a_config_nested_without_end_is_one_message(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    content = json.dumps(read_json(folder / "config.json"))
    (folder / "config.json").write_text(content.replace("{", '{"x": ' + "[" * 10**5 + "]" * 10**5 + ", ", 1))
    with pytest.raises(InputError, match=r"config.json: not valid JSON: maximum recursion depth"):
        build(folder)


def test_weights_that_are_not_whole_are_told_before_they_are_read(base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "model"))
    (folder / "model.safetensors").write_bytes((base / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(InputError, match=r"model.safetensors: cut off: found [\d,]+ bytes, wanted [\d,]+$"):
        build(folder)


def test_a_head_may_share_weights_with_the_base_that_has_none_of_it(base: Path) -> None:
    """The bias of a masked language model's output has two names, and neither is in the weights of a BertModel."""
    made = make(base, Hidden({}), "pretrained", "new", {}, 1)
    own = load_file(base / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert torch.equal(made.model.get_output_embeddings().weight, own)
    assert "cls.predictions.bias" in made.head
