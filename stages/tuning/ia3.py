"""(IA)3: keys, values and the inside of each feed-forward block are scaled (Liu et al. 2022, arXiv:2205.05638).

    k' = l_k * k,    v' = l_v * v,    feed-forward: W (l_f * h)

The vectors begin as ones, so nothing is drawn. By the PEFT library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.tuning.modules import DOWNWARD, KEYS, OUTPUTS, VALUES, projections
from stages.tuning.peft import Peft, Save

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class IA3(Peft):
    """Three vectors a layer learn, and the head."""

    save: Save = "adapter"

    def config(self, model: nn.Module) -> Any:
        """Return PEFT's config. Raises InputError for a model in whose layers the three places are not found."""
        from peft import IA3Config

        inward = list(projections(model, DOWNWARD, "projection out of a feed-forward block", but=OUTPUTS))
        others = [*projections(model, KEYS, "projection to keys"), *projections(model, VALUES, "projection to values")]
        return IA3Config(target_modules=[*others, *inward], feedforward_modules=inward)
