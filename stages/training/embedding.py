"""Embedding gradients that hold only the rows a batch touches.

Of a vocabulary of 30,522 a batch touches about a thousand rows; a dense gradient would be 47 MB of zeros to clear, sum
and send at every shard. Here a batch's rows are gathered into a small table first, and the table is what autograd
sees. The same additions are done in the same order, so the bits are those of the dense gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class BatchEmbedding(nn.Module):
    """Stands in for an nn.Embedding in training; has the same `weight`, so the same name in the state dict."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.weight = embedding.weight
        self.original = [embedding]  # in a list, so that it is no submodule
        self.rows = torch.empty(0, dtype=torch.int64, device=self.weight.device)  # (U,) rows of the batch, ascending
        self.table = torch.empty(0, device=self.weight.device)  # (U, H) their weights: the leaf of autograd
        self._place = torch.zeros(len(self.weight), dtype=torch.int64, device=self.weight.device)
        self._gradient = torch.zeros_like(self.weight)

    def begin(self, ids: Tensor) -> None:
        """Gather the rows of all token ids of a batch (1-d, int64)."""
        self.rows = torch.unique(ids)
        self._place[self.rows] = torch.arange(len(self.rows), device=self.rows.device)
        self.table = self.weight.detach()[self.rows].requires_grad_(self.weight.requires_grad)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of `ids` (B, L), which `begin` has seen, as (B, L, H)."""
        if not self.training:
            return nn.functional.embedding(ids, self.weight)
        pad = self.original[0].padding_idx
        masked = None if pad is None or pad not in self.rows else int(self._place[pad])
        return nn.functional.embedding(self._place[ids], self.table, padding_idx=masked)

    def spread(self, gradient: Tensor) -> None:
        """Make `gradient` (U, H) the dense gradient of `weight`, zero outside the batch's rows."""
        self._gradient[self.rows] = gradient
        self.weight.grad = self._gradient

    def clear(self) -> None:
        """Make the dense gradient zero again, touching the batch's rows alone."""
        self._gradient[self.rows] = 0
        self.weight.grad = None


def install(model: Any) -> BatchEmbedding | None:
    """Put a BatchEmbedding in the place of the model's input embedding; None when it is frozen, shared or special."""
    embedding = model.get_input_embeddings()
    names = [n for n, p in model.named_parameters(remove_duplicate=False) if p is embedding.weight]
    if type(embedding) is not nn.Embedding or embedding.max_norm or len(names) > 1:
        return None
    if not embedding.weight.requires_grad:
        return None
    stand_in = BatchEmbedding(embedding)
    model.set_input_embeddings(stand_in)
    return stand_in
