"""The shortened last layer is the same function."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from stages.tasks.first_token import shorten

SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.5}  # fmt: skip
IDS = torch.tensor([[5, 9, 30, 7], [5, 8, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def built(kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    return kind(config)


def is_short(model: Any) -> bool:
    return "forward" in vars(model.base_model.encoder.layer[-1])


@pytest.mark.parametrize(
    ("kind", "config"),
    [(BertForSequenceClassification, BertConfig), (RobertaForSequenceClassification, RobertaConfig)],
)
def test_logits_and_gradients_are_those_of_the_whole_layer(kind: Any, config: Any) -> None:
    whole, short = (built(kind, config(**SIZES)).train() for _ in range(2))
    shorten(short)
    assert is_short(short)
    for model in (whole, short):
        model(input_ids=IDS, attention_mask=MASK, labels=torch.tensor([0, 1])).loss.backward()
    for (name, one), two in zip(whole.named_parameters(), short.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_names_and_mode_stay() -> None:
    model = built(BertForSequenceClassification, BertConfig(**SIZES))
    names = list(model.state_dict())
    shorten(model.train())
    assert list(model.state_dict()) == names
    assert model.training


def test_a_head_that_reads_every_token_keeps_the_whole_layer() -> None:
    model = built(BertForTokenClassification, BertConfig(**SIZES))
    assert not is_short(shorten(model))
    assert model(input_ids=IDS, attention_mask=MASK).logits.shape == (2, 4, 2)


def test_other_architectures_and_attentions_stay_as_they_are() -> None:
    other = built(DistilBertForSequenceClassification, DistilBertConfig(vocab_size=50, dim=16, n_layers=1, n_heads=2,
                                                                        hidden_dim=32))  # fmt: skip
    assert shorten(other) is other
    eager = built(BertForSequenceClassification, BertConfig(**SIZES))
    eager.set_attn_implementation("eager")
    assert not is_short(shorten(eager))
