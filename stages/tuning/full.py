"""Full fine-tuning: every parameter learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.tuning.methods import Whole

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Full(Whole):
    """Every parameter learns."""

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Let every parameter of `model` learn, in place."""
        return model.requires_grad_(True)
