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
    ElectraForTokenClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
)

from stages.models.packed import Layout
from stages.models.packing import is_packed, pack
from stages.targets.classes.head import Head as Classes
from stages.targets.tags.head import Head as Tags

SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.5}  # fmt: skip
LENGTHS = [9, 8, 8, 3, 2, 1]  # two blocks of like length, and rows of one token
HEADS = {"first": Classes({}), "all": Tags({})}
FIRST = HEADS["first"]
DRAW = np.random.default_rng(0)
IDS = torch.full((6, 9), 1)
MASK = torch.zeros(6, 9, dtype=torch.int64)
for index, length in enumerate(LENGTHS):
    IDS[index, :length] = torch.from_numpy(DRAW.integers(2, 50, length))
    MASK[index, :length] = 1
SEGMENTS = torch.zeros(6, 9, dtype=torch.int64)
for index, length in enumerate(LENGTHS):
    SEGMENTS[index, length // 2 : length] = 1
BERT = pytest.mark.parametrize(
    ("kind", "config", "reads"),
    [
        (BertForSequenceClassification, BertConfig, "first"),
        (RobertaForSequenceClassification, RobertaConfig, "first"),
        (ElectraForSequenceClassification, ElectraConfig, "first"),
        (BertForTokenClassification, BertConfig, "all"),
        (RobertaForTokenClassification, RobertaConfig, "all"),
        (ElectraForTokenClassification, ElectraConfig, "all"),
    ],
)


def built(kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    return kind(config)


def run(model: Any, order: torch.Tensor, segments: bool = True) -> torch.Tensor:
    """Return the logits of rows in an order: (B, C), or those of all real tokens (T, C)."""
    ids, mask = IDS[order], MASK[order].bool()
    held = {"token_type_ids": SEGMENTS[order]} if segments and model.config.type_vocab_size > 1 else {}
    if is_packed(model):
        flat = {name: value[mask][None] for name, value in held.items()}
        found = model(input_ids=ids[mask][None], lengths=mask.sum(1), **flat).logits
        return found[0] if found.shape[0] == 1 and found.dim() == 3 else found
    found = model(input_ids=ids, attention_mask=mask.long(), **held).logits
    return found[mask] if found.dim() == 3 else found


ALL = torch.arange(6)


@BERT
def test_logits_and_gradients_are_those_of_the_padded_encoder(kind: Any, config: Any, reads: Any) -> None:
    padded, packed = (built(kind, config(**SIZES)).train() for _ in range(2))
    assert is_packed(pack(packed, HEADS[reads]))
    for model in (padded.double(), packed.double()):  # so that rounding says nothing
        logits = run(model, ALL)
        torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 2).backward()
    for (name, one), two in zip(padded.named_parameters(), packed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-9, atol=1e-11, msg=name)


@BERT
def test_in_evaluation_too_and_in_any_order_of_rows(kind: Any, config: Any, reads: Any) -> None:
    padded, packed = (built(kind, config(**SIZES)).eval() for _ in range(2))
    pack(packed, HEADS[reads])
    for order in (ALL, torch.tensor([3, 0, 5, 1, 4, 2])):
        with torch.no_grad():
            one, two = (run(model, order) for model in (padded, packed))
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_segments_are_not_lost() -> None:
    packed = pack(built(BertForSequenceClassification, BertConfig(**SIZES)), FIRST).eval()
    with torch.no_grad():
        assert not torch.allclose(run(packed, ALL, segments=True), run(packed, ALL, segments=False), atol=1e-3)


def test_a_model_that_would_lose_segments_stays_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.models import packed

    def forgetful(whole: Any) -> Any:
        inner = original(whole)
        return lambda encoder, *args, token_type_ids=None, **others: inner(encoder, *args, **others)

    original = packed._packed
    monkeypatch.setattr(packed, "_packed", forgetful)
    assert not is_packed(pack(built(BertForSequenceClassification, BertConfig(**SIZES)), FIRST))
    one_segment = BertConfig(**SIZES, type_vocab_size=1)
    assert is_packed(pack(built(BertForSequenceClassification, one_segment), FIRST))


@pytest.mark.parametrize("lengths", [[1], [4, 4], [1, 1, 1], [7, 3, 5]])
def test_few_rows_equal_rows_and_rows_of_one_token(lengths: list[int]) -> None:
    padded, packed = (built(BertForSequenceClassification, BertConfig(**SIZES)).train() for _ in range(2))
    pack(packed, FIRST)
    ids = IDS[0].expand(len(lengths), 9)[:, : max(lengths)]
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    torch.testing.assert_close(
        padded(input_ids=ids, attention_mask=mask.long()).logits,
        packed(input_ids=ids[mask][None], lengths=torch.tensor(lengths)).logits,
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_the_layout_of_two_blocks() -> None:
    layout = Layout.of(torch.tensor([4, 3, 2]), 1, torch.device("cpu"))
    assert (layout.rows, layout.tokens, layout.starts.tolist()) == ([2, 1], [7, 2], [0, 4, 7])
    first, second = layout.blocks
    assert first.places.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert first.slots.tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert first.taken.flatten().tolist() == [1, 1, 1, 1, 1, 1, 1, 0]
    assert second.places.tolist() == [0, 1]


def test_more_tokens_than_positions_fit_a_shard() -> None:
    sizes = {**SIZES, "max_position_embeddings": 10}
    packed = pack(built(BertForSequenceClassification, BertConfig(**sizes)), FIRST)
    assert run(packed, ALL).shape == (6, 2)


def test_names_and_mode_stay() -> None:
    model = built(BertForSequenceClassification, BertConfig(**SIZES))
    names = list(model.state_dict())
    assert is_packed(pack(model.train(), FIRST))
    assert list(model.state_dict()) == names
    assert model.training


def test_a_head_that_reads_every_token_is_not_cut_to_the_first() -> None:
    model = built(BertForTokenClassification, BertConfig(**SIZES))
    assert not is_packed(pack(model, FIRST))
    assert model(input_ids=IDS, attention_mask=MASK).logits.shape == (6, 9, 2)


def test_other_architectures_stay_as_they_are() -> None:
    other = built(DistilBertForSequenceClassification, DistilBertConfig(vocab_size=50, dim=16, n_layers=1, n_heads=2,
                                                                        hidden_dim=32))  # fmt: skip
    assert not is_packed(pack(other, FIRST))
