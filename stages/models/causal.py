"""A decoder computed without padding: rows one after another, attention inside each row alone, positions from 0.

As in stages.models.packed all but attention works on the tokens of a shard one after another, (1, T, H). Attention lays
rows of like length side by side. A token sees none behind it, so none of the places that are left over at the end of a
row is ever seen: the causal mask is all that is wanted.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from stages.learning import Head
from stages.models.packed import Block, Layout, Pick, Spread
from stages.models.probe import packed_if_same

AUTO = "AutoModelForCausalLM"
ATTENTION = "packed-causal"  # the name under which transformers finds `attention`


def attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, scaling: float,
    dropout: float = 0.0, layout: Layout | None = None, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Causal attention inside each row, in the form transformers asks for; without a layout its own, with `mask`.

    query (1, N, T, D), key and value (1, G, T, D), N a multiple of G; returns (1, T, N, D).
    """
    if layout is None and query.shape[2] == 1:
        return _written(query, key, value, mask, scaling), None
    if layout is None:
        found, _none = sdpa_attention_forward(module, query, key, value, mask, dropout=dropout, scaling=scaling)
        return found, None
    queries, keys, values = (torch.split(x.transpose(1, 2), list(layout.tokens), dim=1) for x in (query, key, value))
    whole = zip(queries, keys, values, layout.blocks, strict=True)
    mixed = [_attend(q, k, v, block, scaling, dropout) for q, k, v, block in whole]
    return torch.cat(mixed, dim=1), None


def _written(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """Attention of one token a row: query (B, N, 1, D), key and value (B, G, C, D) -> (B, 1, N, D).

    Heads that share keys are queries side by side, so keys need not be repeated.
    """
    rows, heads, _, size = query.shape
    grouped = query.reshape(rows, key.shape[1], heads // key.shape[1], size)
    mixed = nn.functional.scaled_dot_product_attention(grouped, key, value, mask, scale=scaling)
    return mixed.reshape(rows, 1, heads, size)


def _attend(query: Tensor, key: Tensor, value: Tensor, block: Block, scaling: float, dropout: float) -> Tensor:
    """Attention of one block: query (1, T, N, D), key and value (1, T, G, D) -> (1, T, N, D)."""
    rows, length = len(block.taken), block.taken.shape[2]
    heads, size = query.shape[2:]

    def side_by_side(x: Tensor) -> Tensor:  # (1, T, G, D) -> (B, N, L, D)
        flat: Tensor = Spread.apply(x.reshape(x.shape[1], -1), block)  # type: ignore[no-untyped-call]
        spread = flat.view(rows, length, -1, 1, size).expand(-1, -1, -1, heads // x.shape[2], -1)
        return spread.reshape(rows, length, heads, size).transpose(1, 2)

    mixed = nn.functional.scaled_dot_product_attention(
        side_by_side(query), side_by_side(key), side_by_side(value), dropout_p=dropout, is_causal=True, scale=scaling
    )
    flat = mixed.transpose(1, 2).reshape(rows * length, heads * size)
    picked: Tensor = Pick.apply(flat, block)  # type: ignore[no-untyped-call]
    return picked.view(query.shape)


AttentionInterface.register(ATTENTION, attention)


def pack(model: Any, head: Head) -> Any:
    """Let the decoder `model` compute without padding, in place, where that leaves its logits as they are.

    One that does not see all that is before a token stays as it is.
    """
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(model.config, "sliding_window", None) is not None:
        return model
    base = model.base_model

    def install() -> None:
        model.set_attn_implementation(ATTENTION)
        base.forward = types.MethodType(_packed(base.forward), base)

    return packed_if_same(model, head, install, [base])


def _packed(whole: Any) -> Any:
    """Return the forward pass of a decoder around `whole`, its own: input_ids (1, T), lengths (B,) -> hidden (1, T, H).

    Without lengths it is its own, as generation asks for it.
    """

    def forward(_decoder: Any, input_ids: Tensor, lengths: Tensor | None = None, **others: Any) -> Any:
        if lengths is None:
            return whole(input_ids, **others)
        layout = Layout.of(lengths, 1, input_ids.device)
        starts = torch.repeat_interleave(layout.starts, lengths.to(input_ids.device))
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) - starts
        for name in ("attention_mask", "position_ids", "use_cache"):
            others.pop(name, None)
        return whole(input_ids, position_ids=positions[None], use_cache=False, layout=layout, **others)

    return forward
