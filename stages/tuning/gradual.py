"""Gradual unfreezing: the head learns first, then a layer more each epoch (Howard & Ruder 2018, arXiv:1801.06146, 3.3).

In the first epoch the head learns alone, in the second the highest layer too, and so on down to the embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from stages.learning import Pace
from stages.tuning.layers import heights, stack
from stages.tuning.methods import Whole

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Gradual(Whole):
    """Every parameter learns, the higher the sooner."""

    layers: Annotated[int, Field(ge=1, description="layers that begin to learn with each epoch, >= 1")] = 1

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Let every parameter of `model` learn, in place."""
        return model.requires_grad_(True)

    def paces(self, model: nn.Module) -> Mapping[str, Pace]:
        """Return the epoch from which every parameter learns. Raises InputError when no list of layers is found."""
        top = len(stack(model)) + 1
        return {name: Pace(epoch=-(-(top - height) // self.layers)) for name, height in heights(model).items()}
