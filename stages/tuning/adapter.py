"""Adapters: a narrow block with a skip connection after each sub-layer (Houlsby et al. 2019, arXiv:1902.00751).

    y + Up gelu(Down y)

Down (width, hidden) and Up (hidden, width) are drawn from a normal distribution of deviation 0.01, cut at two
deviations, so that a block begins close to the identity. `after: feed-forward` has half of them, one a layer, as
Pfeiffer et al. 2021 (arXiv:2005.00247) found enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from stages.tuning.methods import Beside, freeze
from stages.tuning.modules import DOWNWARD, OUTPUTS, projections, sides

if TYPE_CHECKING:
    from torch import nn

DEVIATION = 0.01


@dataclass(frozen=True)
class Bottleneck(Beside):
    """Narrow blocks between the layers' own learn, and the head."""

    width: Annotated[int, Field(ge=1, description="of a block, >= 1")] = 48
    after: Literal["both", "feed-forward"] = "both"  # sub-layers that a block follows: attention and feed-forward

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Put the blocks into `model`, drawn as a function of `key`; they and `head` learn.

        Raises InputError for a model in whose layers the places are not found.
        """
        import torch

        from stages.tuning.blocks import Block

        found = projections(model, DOWNWARD, "projection out of a feed-forward block", but=OUTPUTS)
        if self.after == "both":
            found |= projections(model, OUTPUTS, "projection out of attention")
        freeze(model, head)
        torch.manual_seed(key)
        for name, module in found.items():
            model.set_submodule(name, Block(module, sides(module)[1], self.width, DEVIATION))
        return model
