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
from tests.tiny import CONFIG

HEAD = frozenset({"classifier.weight", "classifier.bias"})
EXAMPLES: dict[str, dict[str, Any]] = {"frozen": {"layers": 1}}  # fields without a default


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
    assert learning(method.apply(model(), HEAD)) >= HEAD


def test_weights_stay_as_they_are(method: Any) -> None:
    tuned = method.apply(model(), HEAD)
    assert all(torch.equal(a, b) for a, b in zip(tuned.parameters(), model().parameters(), strict=True))


def test_what_was_frozen_before_does_not_matter(method: Any) -> None:
    assert learning(method.apply(model().requires_grad_(False), HEAD)) == learning(method.apply(model(), HEAD))


def test_a_step_changes_what_learns_and_nothing_else(method: Any) -> None:
    net = method.apply(model(), HEAD)
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    net(torch.randint(5, 40, (8, 6)), labels=torch.arange(8) % 2).loss.backward()
    optimiser.step()
    before = dict(model().named_parameters())
    changed = {n for n, p in net.named_parameters() if not torch.equal(p, before[n])}
    assert changed <= learning(net)
    assert changed >= HEAD


def test_full_lets_all_learn() -> None:
    assert len(learning(imported(TUNING["full"])().apply(model(), HEAD))) == len(list(model().parameters()))


def test_frozen_keeps_embeddings_and_lowest_layers() -> None:
    names = learning(Frozen(layers=1).apply(model(), HEAD))
    assert not any("embeddings" in n or "layer.0." in n for n in names)
    assert any("layer.1." in n for n in names)
    assert "bert.pooler.dense.weight" in names


def test_frozen_without_layers_keeps_the_embeddings_alone() -> None:
    names = learning(Frozen(layers=0).apply(model(), HEAD))
    assert any("layer.0." in n for n in names)
    assert not any("embeddings" in n for n in names)


def test_frozen_refuses_more_layers_than_there_are() -> None:
    with pytest.raises(InputError, match="found 3, wanted at most the model's 2 layers"):
        Frozen(layers=3).apply(model(), HEAD)


def test_bitfit_lets_biases_and_the_head_learn() -> None:
    names = learning(BitFit().apply(model(), HEAD))
    assert all(n.endswith("bias") or n in HEAD for n in names)
    assert "bert.encoder.layer.0.attention.self.query.bias" in names


def test_bitfit_of_some_biases() -> None:
    names = learning(BitFit(only=("query",)).apply(model(), HEAD))
    assert names - HEAD == {f"bert.encoder.layer.{i}.attention.self.query.bias" for i in (0, 1)}


def test_bitfit_refuses_a_name_of_no_bias() -> None:
    with pytest.raises(InputError, match="'querry' is in the name of no bias"):
        BitFit(only=("querry",)).apply(model(), HEAD)
