"""Several rows in one sequence are computed as one row at a time: attention inside each, positions from 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from stages.models.forward import compute
from stages.models.packing import is_packed, pack
from stages.targets.next.head import Head

GROUPED: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 40, "initializer_range": 0.3,
}  # fmt: skip
CONFIGS = {
    "llama": LlamaConfig(**GROUPED),
    "qwen2": Qwen2Config(**GROUPED),
    "qwen3": Qwen3Config(**GROUPED, head_dim=8),
    "gpt2": GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=40, initializer_range=0.3),
    "gpt-neox": GPTNeoXConfig(**{k: v for k, v in GROUPED.items() if k != "num_key_value_heads"}),
}
LENGTHS = [9, 8, 8, 3, 2, 1]
DRAW = np.random.default_rng(0)
ROWS = [torch.from_numpy(DRAW.integers(2, 50, length)) for length in LENGTHS]


def built(name: str) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[name]).eval()


def packed(model: Any, rows: list[torch.Tensor]) -> torch.Tensor:
    return model(input_ids=torch.cat(rows)[None], lengths=torch.tensor([len(row) for row in rows])).logits[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_in_one_sequence_are_those_computed_one_at_a_time(name: str) -> None:
    own, model = built(name), pack(built(name), Head({}))
    assert is_packed(model)
    with torch.no_grad():
        alone = torch.cat([own(input_ids=row[None]).logits[0] for row in ROWS])
        for order in ([0, 1, 2, 3, 4, 5], [3, 0, 5, 1, 4, 2]):
            found = packed(model, [ROWS[i] for i in order]).split([LENGTHS[i] for i in order])
            torch.testing.assert_close(torch.cat([found[order.index(i)] for i in range(6)]), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_are_those_of_one_row_at_a_time(name: str) -> None:
    own, model = built(name).double(), pack(built(name), Head({})).double()
    for row in ROWS:
        own(input_ids=row[None]).logits.square().sum().backward()
    packed(model, ROWS).square().sum().backward()
    for (at, one), two in zip(own.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad, rtol=1e-9, atol=1e-9, msg=at)


@pytest.mark.parametrize("name", CONFIGS)
def test_no_row_sees_another(name: str) -> None:
    model = pack(built(name), Head({}))
    others = [*ROWS[:1], (ROWS[1] + 7) % 50, *ROWS[2:]]
    with torch.no_grad():
        one, two = (packed(model, rows).split(LENGTHS) for rows in (ROWS, others))
    assert [torch.equal(a, b) for a, b in zip(one, two, strict=True)] == [True, False, True, True, True, True]


OTHERS = [
    BloomConfig(vocab_size=50, hidden_size=32, n_layer=1, n_head=4),  # no positions that could be given
    MistralConfig(**GROUPED, sliding_window=4),  # does not see all that is before a token
]


@pytest.mark.parametrize("config", OTHERS)
def test_others_are_padded_and_the_same_as_one_row_at_a_time(config: Any) -> None:
    torch.manual_seed(0)
    model = pack(AutoModelForCausalLM.from_config(config).eval(), Head({}))
    counts = [np.array([0, *[1] * (length - 1)]) for length in LENGTHS]
    part = {"length": np.array(LENGTHS), "input_ids": [row.numpy() for row in ROWS], "counts": counts}
    with torch.no_grad():
        found = compute(model, Head({}), part, 0, torch.device("cpu"))
        alone = torch.cat([model(input_ids=row[None]).logits[0, :-1] for row in ROWS])
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", OTHERS)
def test_others_stay_as_they_are(config: Any) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    before = model.config._attn_implementation
    assert not is_packed(pack(model, Head({})))
    assert model.config._attn_implementation == before
    assert "forward" not in vars(model.base_model)
