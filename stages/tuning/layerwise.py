"""Layer-wise decay of the learning rate: what lies lower changes less (Howard & Ruder 2018, arXiv:1801.06146, 3.2).

    rate(layer) = train.lr * decay ** (layers above it)

The embeddings lie below all layers; head and pooler have the full rate, as the highest layer has.
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
class Layerwise(Whole):
    """Every parameter learns, at a rate that falls from layer to layer downwards."""

    decay: Annotated[float, Field(gt=0, lt=1, description="rate of a layer to that of the one above, (0, 1)")] = 0.9

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Let every parameter of `model` learn, in place."""
        return model.requires_grad_(True)

    def paces(self, model: nn.Module) -> Mapping[str, Pace]:
        """Return the rate of every parameter. Raises InputError when no list of layers is found."""
        top = len(stack(model))
        return {name: Pace(rate=self.decay ** (top - min(h, top))) for name, h in heights(model).items()}
