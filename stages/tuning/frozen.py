"""Frozen lower layers: embeddings and the lowest n layers keep their weights (Lee et al. 2019, arXiv:1911.03090)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from stages.core.errors import InputError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Frozen:
    """The embeddings and the lowest layers keep their weights; the rest learns."""

    layers: Annotated[int, Field(ge=0, description="lowest encoder layers that are frozen, >= 0")]

    def apply(self, model: nn.Module, head: frozenset[str]) -> nn.Module:
        """Freeze in place. Raises InputError when the model has fewer layers, or no list of layers is found."""
        from torch import nn

        depth = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
        stacks = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == depth]
        if not stacks:
            raise InputError(f"train.tuning: no stack of {depth} layers found in {type(model).__name__}")
        if self.layers > depth:
            raise InputError(f"train.tuning.layers: found {self.layers}, wanted at most the model's {depth} layers")
        model.requires_grad_(True)
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                module.requires_grad_(False)
        embeddings = getattr(model.base_model, "embeddings", None)  # its norm belongs to what is frozen
        if isinstance(embeddings, nn.Module):
            embeddings.requires_grad_(False)
        for layer in stacks[0][: self.layers]:
            layer.requires_grad_(False)
        return model

    def merged(self, model: nn.Module) -> nn.Module:
        """Return the model as it is."""
        return model
