"""Prefix tuning: keys and values that every token attends to learn, in each layer (Li & Liang 2021, arXiv:2101.00190).

They are those of virtual tokens behind the first one, drawn from a normal distribution with the deviation by which the
model's own weights are drawn, and learnt as they are, without the authors' network that makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from stages.tuning.methods import Beside, freeze
from stages.tuning.modules import KEYS, VALUES, projections, sides

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Prefix(Beside):
    """The keys and values of virtual tokens learn, and the head."""

    length: Annotated[
        int, Field(ge=1, description="virtual tokens of every text, >= 1; the model has positions for them")
    ] = 16

    def apply(self, model: Any, head: frozenset[str], key: int) -> nn.Module:
        """Let `model` know the virtual tokens, drawn as a function of `key`; their keys and values learn, and `head`.

        Raises InputError for a model in whose layers keys and values have no projections of their own.
        """
        import torch

        from stages.tuning.blocks import Prefixed, VirtualEmbedding

        found = projections(model, KEYS, "projection to keys") | projections(model, VALUES, "projection to values")
        draw = torch.Generator().manual_seed(key)
        deviation = float(getattr(model.config, "initializer_range", 0.02))
        own = model.get_input_embeddings()
        freeze(model, head)
        embedding = VirtualEmbedding(own, torch.zeros(self.length, own.weight.shape[1])).requires_grad_(False)
        model.set_input_embeddings(embedding)
        for name, module in found.items():
            drawn = torch.empty(self.length, sides(module)[1]).normal_(std=deviation, generator=draw)
            model.set_submodule(name, Prefixed(module, drawn, embedding))
        model.virtual_tokens = self.length
        return model  # type: ignore[no-any-return]
