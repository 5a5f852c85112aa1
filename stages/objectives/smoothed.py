"""Label smoothing (Szegedy et al. 2016, arXiv:1512.00567, section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from stages.learning import Forward, Head, Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Smoothed:
    """Cross-entropy with the true label softened: a share of its weight is spread evenly over all classes."""

    taught: ClassVar[bool] = False
    smoothing: Annotated[float, Field(gt=0, lt=1, description="share spread over all classes, (0, 1)")] = 0.1

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the smoothed cross-entropy of each output; see stages.learning.Objective."""
        return head.losses(forward(), part, self.smoothing)
