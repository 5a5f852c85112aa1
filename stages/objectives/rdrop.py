"""R-Drop: two passes with other dropout masks shall agree (Liang et al. 2021, arXiv:2106.14448)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from stages.learning import Forward, Head, Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RDrop:
    """Cross-entropy of two passes, P and Q: `-log P(y) - log Q(y) + alpha / 2 (KL(P || Q) + KL(Q || P))`."""

    taught: ClassVar[bool] = False
    alpha: Annotated[float, Field(gt=0, le=100, description="weight of the divergence, (0, 100]")] = 1.0

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the loss of each output; see stages.learning.Objective.

        Raises InputError for a target whose outputs are no probabilities.
        """
        one, truth = head.log_probabilities(forward(), part)  # (N, D, C), (N, D)
        two, _ = head.log_probabilities(forward(), part)
        entropy = -(one + two).gather(2, truth[..., None])[..., 0]
        divergence = ((one.exp() - two.exp()) * (one - two)).sum(dim=2)  # of both directions
        return (entropy + self.alpha / 2 * divergence).mean(dim=1)
