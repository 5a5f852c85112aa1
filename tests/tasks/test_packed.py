"""A packed encoder is the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from stages.tasks.packed import Layout, is_packed, pack

SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.5}  # fmt: skip
LENGTHS = [9, 8, 8, 3, 2, 1]  # two blocks of like length, and rows of one token
DRAW = np.random.default_rng(0)
IDS = torch.full((6, 9), 1)
MASK = torch.zeros(6, 9, dtype=torch.int64)
for index, length in enumerate(LENGTHS):
    IDS[index, :length] = torch.from_numpy(DRAW.integers(2, 50, length))
    MASK[index, :length] = 1
BERT = pytest.mark.parametrize(
    ("kind", "config"),
    [(BertForSequenceClassification, BertConfig), (RobertaForSequenceClassification, RobertaConfig),
     (ElectraForSequenceClassification, ElectraConfig)],
)  # fmt: skip


def built(kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    return kind(config)


@BERT
def test_logits_and_gradients_are_those_of_the_padded_encoder(kind: Any, config: Any) -> None:
    padded, packed = (built(kind, config(**SIZES)).train() for _ in range(2))
    assert is_packed(pack(packed))
    for model in (padded.double(), packed.double()):  # so that rounding says nothing
        model(input_ids=IDS, attention_mask=MASK, labels=torch.arange(6) % 2).loss.backward()
    for (name, one), two in zip(padded.named_parameters(), packed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-9, atol=1e-11, msg=name)


@BERT
def test_in_evaluation_too_and_in_any_order_of_rows(kind: Any, config: Any) -> None:
    padded, packed = (built(kind, config(**SIZES)).eval() for _ in range(2))
    pack(packed)
    for order in (torch.arange(6), torch.tensor([3, 0, 5, 1, 4, 2])):
        with torch.no_grad():
            one, two = (m(input_ids=IDS[order], attention_mask=MASK[order]).logits for m in (padded, packed))
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [[1], [4, 4], [1, 1, 1], [7, 3, 5]])
def test_few_rows_equal_rows_and_rows_of_one_token(lengths: list[int]) -> None:
    padded, packed = (built(BertForSequenceClassification, BertConfig(**SIZES)).train() for _ in range(2))
    pack(packed)
    ids = IDS[0].expand(len(lengths), 9)[:, : max(lengths)]
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    torch.testing.assert_close(
        padded(input_ids=ids, attention_mask=mask).logits, packed(input_ids=ids, attention_mask=mask).logits,
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_without_a_mask_every_token_counts() -> None:
    packed = pack(built(BertForSequenceClassification, BertConfig(**SIZES))).eval()
    ids = IDS[:2, :5]
    assert torch.equal(packed(input_ids=ids).logits, packed(ids, torch.ones_like(ids)).logits)


def test_the_layout_of_two_blocks() -> None:
    layout = Layout.of(torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]), heads=1)
    assert (layout.rows, layout.tokens, layout.starts.tolist()) == ([2, 1], [7, 2], [0, 4, 7])
    first, second = layout.blocks
    assert first.places.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert first.slots.tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert first.taken.flatten().tolist() == [1, 1, 1, 1, 1, 1, 1, 0]
    assert second.places.tolist() == [0, 1]


def test_more_tokens_than_positions_fit_a_shard() -> None:
    sizes = {**SIZES, "max_position_embeddings": 10}
    packed = pack(built(BertForSequenceClassification, BertConfig(**sizes)))
    assert packed(input_ids=IDS, attention_mask=MASK).logits.shape == (6, 2)


def test_names_and_mode_stay() -> None:
    model = built(BertForSequenceClassification, BertConfig(**SIZES))
    names = list(model.state_dict())
    assert is_packed(pack(model.train()))
    assert list(model.state_dict()) == names
    assert model.training


def test_a_head_that_reads_every_token_stays_as_it_is() -> None:
    model = built(BertForTokenClassification, BertConfig(**SIZES))
    assert not is_packed(pack(model))
    assert model(input_ids=IDS, attention_mask=MASK).logits.shape == (6, 9, 2)


def test_other_architectures_stay_as_they_are() -> None:
    other = built(DistilBertForSequenceClassification, DistilBertConfig(vocab_size=50, dim=16, n_layers=1, n_heads=2,
                                                                        hidden_dim=32))  # fmt: skip
    assert not is_packed(pack(other))
