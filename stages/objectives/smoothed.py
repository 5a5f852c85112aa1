"""Label smoothing (Szegedy et al. 2016, arXiv:1512.00567, section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Smoothed:
    """Cross-entropy with the true label softened: a share of its weight is spread evenly over all classes."""

    smoothing: Annotated[float, Field(gt=0, lt=1, description="share spread over all classes, (0, 1)")] = 0.1

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """Return the sum over examples of the smoothed cross-entropy; see stages.interfaces.Objective."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, labels, weight=weights, reduction="sum", label_smoothing=self.smoothing)
