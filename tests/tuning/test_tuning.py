"""Every tuning method, by one contract over the registry; and what is each one's own."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from stages.core.errors import InputError
from stages.core.params import imported
from stages.tuning import TUNING
from stages.tuning.bitfit import BitFit
from stages.tuning.frozen import Frozen
from stages.tuning.gradual import Gradual
from stages.tuning.layerwise import Layerwise
from stages.tuning.lora import LoRA
from stages.tuning.modules import chosen
from stages.tuning.prefix import Prefix
from stages.tuning.prompt import Prompt
from tests.tiny import CONFIG

HEAD = frozenset({"classifier.weight", "classifier.bias"})
EXAMPLES: dict[str, dict[str, Any]] = {"frozen": {"layers": 1}}  # fields without a default


DRAWN = {"LoRA", "Bottleneck", "Prompt", "Prefix"}


def model() -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(**{k: v for k, v in CONFIG.items() if k != "architectures"}))


def learning(net: torch.nn.Module) -> set[str]:
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


@pytest.fixture(params=sorted(TUNING))
def method(request: pytest.FixtureRequest) -> Any:
    return imported(TUNING[request.param])(**EXAMPLES.get(request.param, {}))


def test_it_is_a_frozen_dataclass(method: Any) -> None:
    assert is_dataclass(method)
    assert method.__dataclass_params__.frozen


def test_the_head_always_learns(method: Any) -> None:
    assert learning(method.apply(model(), HEAD, 0)) >= HEAD


def test_weights_stay_as_they_are(method: Any) -> None:
    """Those of the model, whatever is added."""
    net = model()
    values = {p.data_ptr(): p.detach().clone() for p in net.parameters()}
    tuned = method.apply(net, HEAD, 0)
    kept = [p for p in tuned.parameters() if p.data_ptr() in values]
    assert len(kept) == len(values)
    assert all(torch.equal(p, values[p.data_ptr()]) for p in kept)


def test_what_is_added_is_a_function_of_the_key(method: Any) -> None:
    one, same, other = (dict(method.apply(model(), HEAD, key).named_parameters()) for key in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    parted = {name for name in one if not torch.equal(one[name], other[name])}
    assert bool(parted) == (type(method).__name__ in DRAWN)


def test_what_was_frozen_before_does_not_matter(method: Any) -> None:
    assert learning(method.apply(model().requires_grad_(False), HEAD, 0)) == learning(method.apply(model(), HEAD, 0))


def test_a_step_changes_what_learns_and_nothing_else(method: Any) -> None:
    net = method.apply(model(), HEAD, 0)
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    net(torch.randint(5, 40, (8, 6)), labels=torch.arange(8) % 2).loss.backward()
    optimiser.step()
    changed = {n for n, p in net.named_parameters() if not torch.equal(p, before[n])}
    assert changed <= learning(net)
    assert changed >= HEAD


def test_full_lets_all_learn() -> None:
    assert len(learning(imported(TUNING["full"])().apply(model(), HEAD, 0))) == len(list(model().parameters()))


def test_frozen_keeps_embeddings_and_lowest_layers() -> None:
    names = learning(Frozen(layers=1).apply(model(), HEAD, 0))
    assert not any("embeddings" in n or "layer.0." in n for n in names)
    assert any("layer.1." in n for n in names)
    assert "bert.pooler.dense.weight" in names


def test_frozen_without_layers_keeps_the_embeddings_alone() -> None:
    names = learning(Frozen(layers=0).apply(model(), HEAD, 0))
    assert any("layer.0." in n for n in names)
    assert not any("embeddings" in n for n in names)


def test_frozen_refuses_more_layers_than_there_are() -> None:
    with pytest.raises(InputError, match="found 3, wanted at most the model's 2 layers"):
        Frozen(layers=3).apply(model(), HEAD, 0)


def test_bitfit_lets_biases_and_the_head_learn() -> None:
    names = learning(BitFit().apply(model(), HEAD, 0))
    assert all(n.endswith("bias") or n in HEAD for n in names)
    assert "bert.encoder.layer.0.attention.self.query.bias" in names


def test_bitfit_of_some_biases() -> None:
    names = learning(BitFit(only=("query",)).apply(model(), HEAD, 0))
    assert names - HEAD == {f"bert.encoder.layer.{i}.attention.self.query.bias" for i in (0, 1)}


def test_bitfit_refuses_a_name_of_no_bias() -> None:
    with pytest.raises(InputError, match="'querry' is in the name of no bias"):
        BitFit(only=("querry",)).apply(model(), HEAD, 0)


def test_layerwise_rates_fall_from_layer_to_layer() -> None:
    rates = {name: pace.rate for name, pace in Layerwise(decay=0.5).paces(model()).items()}
    assert rates["classifier.weight"] == rates["bert.pooler.dense.bias"] == 1
    assert rates["bert.encoder.layer.1.output.dense.weight"] == 1
    assert rates["bert.encoder.layer.0.output.dense.weight"] == 0.5
    assert rates["bert.embeddings.word_embeddings.weight"] == rates["bert.embeddings.LayerNorm.bias"] == 0.25


@pytest.mark.parametrize(("layers", "lowest", "embeddings"), [(1, 2, 3), (2, 1, 2)])
def test_gradual_starts_from_the_top(layers: int, lowest: int, embeddings: int) -> None:
    epochs = {name: pace.epoch for name, pace in Gradual(layers=layers).paces(model()).items()}
    assert epochs["classifier.weight"] == epochs["bert.pooler.dense.bias"] == 0
    assert epochs["bert.encoder.layer.1.output.dense.weight"] == 1
    assert epochs["bert.encoder.layer.0.output.dense.weight"] == lowest
    assert epochs["bert.embeddings.word_embeddings.weight"] == embeddings


IDS = torch.tensor([[2, 7, 9, 3]])


def logits(net: Any, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return net.eval()(ids).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["lora", "ia3"])
def test_it_begins_as_the_model_it_is_put_into(name: str) -> None:
    net = model()
    before = logits(net)
    assert torch.allclose(before, logits(imported(TUNING[name])().apply(net, HEAD, 0)), atol=1e-6)


def test_a_bottleneck_begins_close_to_the_identity() -> None:
    net = model()
    before = logits(net)
    after = logits(imported(TUNING["adapter"])(width=4).apply(net, HEAD, 0))
    assert 0 < float((before - after).abs().max()) < 1e-2


@pytest.mark.parametrize(("rslora", "scale"), [(False, 6.0 / 4), (True, 6.0 / 4**0.5)])
def test_merged_lora_is_w_plus_scale_times_b_a(rslora: bool, scale: float) -> None:
    method = LoRA(rank=4, alpha=6.0, modules=("query",), rslora=rslora, save="merged")
    net: Any = method.apply(model(), HEAD, 0)
    query = net.bert.encoder.layer[0].attention.self.query
    torch.nn.init.normal_(query.lora_B["default"].weight)
    own = model().bert.encoder.layer[0].attention.self.query.weight
    wanted = own + scale * query.lora_B["default"].weight @ query.lora_A["default"].weight
    before = logits(net)
    merged: Any = method.merged(net)
    assert torch.allclose(merged.bert.encoder.layer[0].attention.self.query.weight, wanted, atol=1e-6)
    assert {name for name, _ in merged.named_parameters()} == {name for name, _ in model().named_parameters()}
    assert torch.allclose(before, logits(merged), atol=1e-5)


@pytest.mark.parametrize(
    ("modules", "ends"),
    [
        ("attention", {"query", "key", "value", "attention.output.dense"}),
        ("feed-forward", {"intermediate.dense", "layer.0.output.dense", "layer.1.output.dense"}),
        (("value", "intermediate.dense"), {"value", "intermediate.dense"}),
    ],
)
def test_modules_by_kind_and_by_name(modules: Any, ends: set[str]) -> None:
    found = chosen(model(), modules)
    assert all(any(name.endswith(end) for end in ends) for name in found)
    assert len(found) == {"attention": 8, "feed-forward": 4}.get(modules, 4)


def test_linear_modules_are_those_of_the_layers() -> None:
    assert len(chosen(model(), "linear")) == 12


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rank": 17}, "train.tuning.rank: found 17, wanted at most 16, the smaller side of bert.encoder.layer.0."),
        ({"modules": ("querry",)}, "'querry' ends the name of no linear module (nearest: 'query')"),
        ({"modules": ("classifier",)}, "'classifier' ends the name of no linear module"),
    ],
)
def test_lora_refuses(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        LoRA(**fields).apply(model(), HEAD, 0)
    assert message in str(refused.value)


def gpt() -> Any:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(0)
    return GPT2ForSequenceClassification(GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=24))


def test_a_model_whose_keys_have_no_projection_is_refused() -> None:
    with pytest.raises(InputError, match="no projection to keys found in each layer of GPT2ForSequenceClassification"):
        Prefix().apply(gpt(), HEAD, 0)


@pytest.mark.parametrize("name", ["lora", "adapter"])
def test_matrices_of_gpt_2_are_adapted_too(name: str) -> None:
    net = imported(TUNING[name])().apply(gpt(), frozenset({"score.weight"}), 0)
    before = logits(gpt(), IDS[:, :4])
    assert torch.allclose(before, logits(net, IDS[:, :4]), atol=1e-2)
    assert "score.weight" in learning(net)
    assert len(learning(net)) > 4


def test_prompt_vectors_stand_where_their_ids_stand() -> None:
    plain = model()
    vectors = plain.bert.embeddings.word_embeddings.weight.detach()[[11, 12]].clone()
    net: Any = Prompt(length=2).apply(model(), HEAD, 0)
    net.get_input_embeddings().rows.data.copy_(vectors)
    assert torch.equal(logits(net, torch.tensor([[2, 40, 41, 7, 3]])), logits(plain, torch.tensor([[2, 11, 12, 7, 3]])))
    assert net.virtual_tokens == 2


def test_prefix_keys_and_values_are_attended_to() -> None:
    """Against attention by hand in the lowest layer: the other tokens see the prefix, whatever stands in its place."""
    net: Any = Prefix(length=2).apply(model().eval(), HEAD, 0)
    ids = torch.tensor([[2, 40, 41, 7, 9, 3]])
    inner = net.bert.encoder.layer[0].attention.self
    seen: dict[str, torch.Tensor] = {}
    net.bert.encoder.layer[0].register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0]))
    inner.register_forward_hook(lambda _, __, output: seen.update(y=output[0]))
    logits(net, ids)
    x, heads = seen["x"][0], 2
    query = (x @ inner.query.weight.T + inner.query.bias).view(6, heads, 8)
    key, value = ((x @ m.base_layer.weight.T + m.base_layer.bias).detach().clone() for m in (inner.key, inner.value))
    key[1:3], value[1:3] = inner.key.prefix.detach(), inner.value.prefix.detach()
    key, value = key.view(6, heads, 8), value.view(6, heads, 8)
    weights = torch.softmax(torch.einsum("qhd,khd->hqk", query, key) / 8**0.5, -1)
    wanted = torch.einsum("hqk,khd->qhd", weights, value).reshape(6, 16)
    assert torch.allclose(seen["y"][0], wanted, atol=1e-5)
