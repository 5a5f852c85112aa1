"""Frozen lower layers: embeddings and the lowest n layers keep their weights (Lee et al. 2019, arXiv:1911.03090)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from stages.core.errors import InputError
from stages.tuning.layers import embeddings, stack
from stages.tuning.methods import Whole

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Frozen(Whole):
    """The embeddings and the lowest layers keep their weights; the rest learns."""

    layers: Annotated[int, Field(ge=0, description="lowest encoder layers that are frozen, >= 0")]

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Freeze in place. Raises InputError when the model has fewer layers, or no list of layers is found."""
        layers = stack(model)
        if self.layers > len(layers):
            raise InputError(
                f"train.tuning.layers: found {self.layers}, wanted at most the model's {len(layers)} layers"
            )
        model.requires_grad_(True)
        for module in (*embeddings(model), *layers[: self.layers]):
            module.requires_grad_(False)
        return model
