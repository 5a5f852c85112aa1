"""Cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Plain:
    """Cross-entropy with the true label."""

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """Return the sum over examples of weight x cross-entropy; see stages.interfaces.Objective."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, labels, weight=weights, reduction="sum")
