"""Modules that stand in the place of a model's own, for methods that PEFT has not, or has for other models."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A linear module with outputs of `size`, and a narrow block behind it."""

    def __init__(self, base_layer: nn.Module, size: int, width: int, deviation: float) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.down = nn.Linear(size, width)
        self.up = nn.Linear(width, size)
        for module in (self.down, self.up):
            nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
            nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        y: Tensor = self.base_layer(x)
        changed: Tensor = self.up(nn.functional.gelu(self.down(y)))
        return y + changed


class VirtualEmbedding(nn.Module):
    """An embedding that knows `rows` (P, H) too: those of P ids behind its own."""

    def __init__(self, embedding: nn.Embedding, rows: Tensor) -> None:
        super().__init__()
        self.weight = embedding.weight
        self.padding_idx = embedding.padding_idx
        self.num_embeddings = embedding.num_embeddings
        self.rows = nn.Parameter(rows)
        self.virtual = torch.empty(0, dtype=torch.int64)  # of the ids of the last forward pass: which row, -1: none

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, L) -> (B, L, H)."""
        self.virtual = torch.where(ids >= self.num_embeddings, ids - self.num_embeddings, -1)
        own = nn.functional.embedding(ids.clamp(max=self.num_embeddings - 1), self.weight, self.padding_idx)
        return replaced(own, self.rows, self.virtual)


class Prefixed(nn.Module):
    """A linear module whose outputs for virtual tokens are `prefix` (P, out), whatever comes in."""

    def __init__(self, base_layer: nn.Module, prefix: Tensor, embedding: VirtualEmbedding) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.prefix = nn.Parameter(prefix)
        self._embedding = [embedding]  # in a list, so that it is no submodule

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, in) -> (B, L, out), of the tokens that the embedding saw last."""
        return replaced(self.base_layer(x), self.prefix, self._embedding[0].virtual)


def replaced(own: Tensor, rows: Tensor, virtual: Tensor) -> Tensor:
    """Return `own` (B, L, H) with `rows` (P, H) where `virtual` (B, L) says which, -1 for none."""
    return torch.where((virtual >= 0)[..., None], rows[virtual.clamp(min=0)].to(own.dtype), own)
