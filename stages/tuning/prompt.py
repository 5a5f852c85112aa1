"""Prompt tuning: vectors that stand among the tokens of every text learn (Lester et al. 2021, arXiv:2104.08691).

They stand behind the first token, so that a head which reads the first token reads the same one as ever, and begin as
embeddings of the vocabulary, drawn at random (their section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from stages.tuning.methods import Beside, freeze

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Prompt(Beside):
    """The vectors of virtual tokens learn, and the head."""

    length: Annotated[
        int, Field(ge=1, description="virtual tokens of every text, >= 1; the model has positions for them")
    ] = 16

    def apply(self, model: Any, head: frozenset[str], key: int) -> nn.Module:
        """Let `model` know the virtual tokens, drawn as a function of `key`; they and `head` learn."""
        import torch

        from stages.tuning.blocks import VirtualEmbedding

        embedding = model.get_input_embeddings()
        drawn = torch.randint(len(embedding.weight), (self.length,), generator=torch.Generator().manual_seed(key))
        freeze(model, head)
        model.set_input_embeddings(VirtualEmbedding(embedding, embedding.weight.detach()[drawn].clone()))
        model.virtual_tokens = self.length
        return model  # type: ignore[no-any-return]
