"""Focal loss (Lin et al. 2017, arXiv:1708.02002, equation 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from stages.learning import Forward, Head, Part

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-30  # where p is 1, a power below 1 has no slope


@dataclass(frozen=True)
class Focal:
    """Cross-entropy that counts less where the model is right already: `-(1 - p)^gamma log p`, p that of the truth.

    The paper's class weights, its alpha, are `train.class_weights`.
    """

    taught: ClassVar[bool] = False
    gamma: Annotated[float, Field(gt=0, le=10, description="how much less, (0, 10]; 0 would be plain")] = 2.0

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the focal loss of each output; see stages.learning.Objective.

        Raises InputError for a target whose outputs are no probabilities.
        """
        logs, truth = head.log_probabilities(forward(), part)  # (N, D, C), (N, D)
        log = logs.gather(2, truth[..., None])[..., 0]
        missing = (-log.expm1()).clamp_min(TINY)  # 1 - p
        return (-(missing**self.gamma) * log).mean(dim=1)
