"""Adversarial training of the input embeddings by projected gradient ascent (Madry et al. 2018, arXiv:1706.06083)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from stages.learning import Forward, Head, Part
from stages.objectives.perturbation import ascended, losses_at, start

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PGD:
    """The loss at the end of an ascent, `L(x + r_K)`, with `r_k+1 = P(r_k + step_size g / |g|)`.

    g is the gradient at x + r_k; P takes a window's perturbation back into the ball of radius epsilon. r_0 is random,
    as in FreeLB. The ascent costs K forward passes and K backward ones to the embeddings, and no memory beyond a plain
    step's.
    """

    taught: ClassVar[bool] = False
    epsilon: Annotated[float, Field(gt=0, description="largest 2-norm of a window's perturbation, > 0")] = 1.0
    step_size: Annotated[float, Field(gt=0, description="2-norm of a step of the ascent, > 0")] = 0.3
    steps: Annotated[int, Field(ge=1, le=100, description="steps of the ascent, K, [1, 100]")] = 3

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the loss of each output at the end; see stages.learning.Objective."""
        shift = start(forward, self.epsilon)
        for _ in range(self.steps):
            shift.requires_grad_()
            shift = ascended(shift, losses_at(shift, forward, head, part), forward, self.step_size, self.epsilon)
        return losses_at(shift, forward, head, part)
