"""An encoder computed without padding, and its last layer for the first token alone where a head reads no other.

The tokens of a shard lie one after another, (1, T, H), for all that works on single tokens: embeddings, linear layers,
norms, dropout. Attention alone lays its rows side by side, (B, L, H). And where the head reads nothing but the first
token, the last layer needs the keys and values of all tokens, but the query, the output projection and the
feed-forward block of one a row; for a BERT of six layers that saves an eighth of all arithmetic. The result is the
same function of ids, segments and lengths; only the shapes of some products, hence bits, are others.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from stages.learning import Head
from stages.models.probe import packed_if_same

ATTENTION = "packed"  # the name under which transformers finds `attention`
SHORTER = 0.75  # of the longest row of a block: a row shorter than that begins another


@dataclass(frozen=True)
class Block:
    """Where T tokens, N heads each, of B rows of like length lie: one after another, and side by side in L places."""

    places: Tensor  # (T * N,) int64: where each token's head lies, in [0, B * N * L)
    slots: Tensor  # (B * N * L,) int64: which token's head lies there, in [0, T * N); 0 where there is none
    taken: Tensor  # (B, 1, L, 1): 1 where there is a token, else 0
    bias: Tensor  # (B * N, 1, L): 0 where there is a token, else the smallest number, for softmax

    @classmethod
    def of(cls, lengths: Tensor, heads: int) -> Block:
        """Return the block of rows of `lengths` (B,) int64, each at least 1."""
        rows, longest = len(lengths), int(lengths.max())
        taken = torch.arange(longest) < lengths[:, None]  # (B, L)
        row, column = taken.nonzero(as_tuple=True)
        head = torch.arange(heads)
        token = torch.zeros(taken.shape, dtype=torch.int64)
        token[row, column] = torch.arange(len(row))
        bias = torch.zeros(taken.shape).masked_fill_(~taken, torch.finfo(torch.float32).min)
        return cls(
            places=((row[:, None] * heads + head) * longest + column[:, None]).flatten(),
            slots=(token[:, None] * heads + head[:, None]).flatten(),
            taken=taken[:, None, :, None].float(),
            bias=bias[:, None].expand(rows, heads, longest).reshape(rows * heads, 1, longest),
        )

    def spread(self, packed: Tensor) -> Tensor:
        """(T * N, D) -> (B * N * L, D); what lies where no token is means nothing."""
        return packed.index_select(0, self.slots)

    def pick(self, spread: Tensor) -> Tensor:
        """(B * N * L, D) -> (T * N, D)."""
        return spread.index_select(0, self.places)


@dataclass(frozen=True)
class Layout:
    """The blocks of a shard, in the order of its rows."""

    blocks: Sequence[Block]
    rows: Sequence[int]  # of each block
    tokens: Sequence[int]  # of each block
    starts: Tensor  # (B,) int64: the first token of each row of the shard

    @classmethod
    def of(cls, lengths: Tensor, heads: int, device: torch.device) -> Layout:
        """Return the layout on `device` for rows of `lengths` (B,) int64, each at least 1.

        A row that is much shorter than the first of a block begins another one, so rows are best sorted by length.
        """
        lengths = lengths.cpu()
        cuts = [0]
        for row, length in enumerate(lengths.tolist()):
            if length < SHORTER * lengths[cuts[-1]]:
                cuts.append(row)
        pieces = [lengths[low:high] for low, high in pairwise([*cuts, len(lengths)])]
        return cls(
            blocks=[_moved(Block.of(piece, heads), device) for piece in pieces],
            rows=[len(piece) for piece in pieces],
            tokens=[int(piece.sum()) for piece in pieces],
            starts=(lengths.cumsum(0) - lengths).to(device),
        )


def _moved(block: Block, device: torch.device) -> Block:
    return Block(*(getattr(block, field.name).to(device) for field in fields(block)))


class Spread(torch.autograd.Function):
    """Block.spread of what is then masked."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, block: Block) -> Tensor:
        ctx.block = block
        return block.spread(packed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.block.pick(gradient), None


class Pick(torch.autograd.Function):
    """Block.pick: what lies where no token is has no gradient."""

    @staticmethod
    def forward(ctx: Any, spread: Tensor, block: Block) -> Tensor:
        ctx.block = block
        return block.pick(spread)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        taken: Tensor = ctx.block.taken
        spread = ctx.block.spread(gradient)
        spread.view(len(taken), -1, taken.shape[2], spread.shape[1]).mul_(taken)
        return spread, None


def attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _mask: None, *, layout: Layout, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    """Scaled dot-product attention inside each row, in the form transformers asks for.

    query, key, value (1, N, T, D); returns (1, T, N, D). A query of (1, N, B, D) is that of the rows' first tokens;
    then (1, B, N, D) is returned. Dropout is that of `module.dropout`.
    """
    first = query.shape[2] == sum(layout.rows) != key.shape[2]
    queries = torch.split(query.transpose(1, 2), list(layout.rows if first else layout.tokens), dim=1)
    keys, values = (torch.split(x.transpose(1, 2), list(layout.tokens), dim=1) for x in (key, value))
    mixed = [_attend(module, *of, first, scaling) for of in zip(queries, keys, values, layout.blocks, strict=True)]
    return torch.cat(mixed, dim=1), None


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, block: Block, first: bool, scaling: float
) -> Tensor:
    """Attention of one block: query, key, value (1, T, N, D), or a query (1, B, N, D), -> as the query."""
    heads, size = query.shape[2:]
    rows, length = len(block.taken), block.taken.shape[2]

    def side_by_side(x: Tensor) -> Tensor:  # (1, T, N, D) -> (B * N, L, D)
        flat: Tensor = Spread.apply(x.reshape(-1, size), block)  # type: ignore[no-untyped-call]
        return flat.view(rows * heads, length, size)

    queries = query.reshape(rows * heads, 1, size) if first else side_by_side(query)
    keys, values = side_by_side(key), side_by_side(value)
    if module.training:
        scores = torch.baddbmm(block.bias.to(queries.dtype), queries, keys.transpose(1, 2), alpha=scaling)
        weights: Tensor = module.dropout(torch.softmax(scores, dim=-1))
        mixed = weights.to(values.dtype) @ values
    else:
        queries, keys, values = (x.view(rows, heads, -1, size) for x in (queries, keys, values))
        bias = block.bias.to(values.dtype).view(rows, heads, 1, length)
        mixed = nn.functional.scaled_dot_product_attention(queries, keys, values, bias, scale=scaling)
    if first:
        return mixed.reshape(query.shape)
    picked: Tensor = Pick.apply(mixed.reshape(-1, size), block)  # type: ignore[no-untyped-call]
    return picked.view(query.shape)


AttentionInterface.register(ATTENTION, attention)


def pack(model: Any, head: Head) -> Any:
    """Let `model` compute without padding, in place, where that leaves its logits as they are.

    It is tried on a few random tokens: a model that is not built like BERT, that
    would lose segments, or whose head reads other tokens, stays as it is.
    """
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList) or not hasattr(layers[-1], "feed_forward_chunk"):
        return model
    if getattr(model.config, "is_decoder", False) or not _plain(
        getattr(getattr(layers[-1], "attention", None), "self", None)
    ):
        return model

    def install() -> None:
        model.set_attn_implementation(ATTENTION)
        if head.reads == "first":
            layers[-1].forward = types.MethodType(_first_token, layers[-1])
        model.base_model.forward = types.MethodType(_packed(model.base_model.forward), model.base_model)

    return packed_if_same(model, head, install, [layers[-1], model.base_model])


def _plain(attention: Any) -> bool:
    return hasattr(attention, "query") and type(getattr(attention, "dropout", None)) is nn.Dropout


def _packed(whole: Any) -> Any:
    """Return the forward pass of an encoder around `whole`, its own.

    input_ids (1, T), lengths (B,) and perhaps token_type_ids (1, T) -> hidden (1, T, H), or (B, 1, H) of first tokens.
    """

    def forward(encoder: Any, input_ids: Tensor, attention_mask: None = None, **others: Any) -> Any:
        lengths = others.pop("lengths")
        layout = Layout.of(lengths, encoder.config.num_attention_heads, input_ids.device)
        # RoBERTa counts positions from padding_idx + 1, BERT from 0.
        padding = encoder.embeddings.position_embeddings.padding_idx
        starts = torch.repeat_interleave(layout.starts, lengths.to(input_ids.device))
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) - starts
        segments = others.pop("token_type_ids", None)
        given = {
            **others,
            "position_ids": (positions + (0 if padding is None else padding + 1))[None],
            "token_type_ids": torch.zeros_like(input_ids) if segments is None else segments,
        }
        return whole(input_ids, attention_mask=None, layout=layout, **given)

    return forward


def _first_token(layer: Any, hidden: Tensor, *_: Any, layout: Layout, **__: Any) -> Tensor:
    """The forward pass of the last layer: hidden (1, T, H) -> (B, 1, H)."""
    inner = layer.attention.self
    first = hidden[:, layout.starts]  # (1, B, H)

    def heads(x: Tensor) -> Tensor:  # (1, N, H) -> (1, heads, N, H / heads)
        return x.view(1, x.shape[1], -1, inner.attention_head_size).transpose(1, 2)

    mixed, _weights = ALL_ATTENTION_FUNCTIONS[inner.config._attn_implementation](
        inner, heads(inner.query(first)), heads(inner.key(hidden)), heads(inner.value(hidden)), None,
        layout=layout, scaling=inner.scaling,
    )  # fmt: skip
    mixed = layer.attention.output(mixed.reshape(first.shape), first)
    short: Tensor = layer.feed_forward_chunk(mixed)
    return short.transpose(0, 1)
