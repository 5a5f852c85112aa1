"""Full fine-tuning: every parameter learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Full:
    """Every parameter learns."""

    def apply(self, model: nn.Module, head: frozenset[str]) -> nn.Module:
        """Let every parameter of `model` learn, in place."""
        return model.requires_grad_(True)

    def merged(self, model: nn.Module) -> nn.Module:
        """Return the model as it is."""
        return model
