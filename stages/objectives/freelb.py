"""FreeLB: what an ascent passes through is learnt from, too (Zhu et al. 2020, arXiv:1909.11764, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from stages.learning import Forward, Head, Part
from stages.objectives.perturbation import ascended, losses_at, start

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FreeLB:
    """The mean loss along an ascent: `1/K sum over k < K of L(x + r_k)`, with r_k as in PGD.

    All K passes are kept until the gradient of their mean is known: K times the memory of a plain step's activations.
    """

    taught: ClassVar[bool] = False
    epsilon: Annotated[float, Field(gt=0, description="largest 2-norm of a window's perturbation, > 0")] = 1.0
    step_size: Annotated[float, Field(gt=0, description="2-norm of a step of the ascent, > 0")] = 0.1
    steps: Annotated[int, Field(ge=2, le=100, description="passes that are learnt from, K, [2, 100]")] = 3

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the mean loss of each output; see stages.learning.Objective."""
        shift = start(forward, self.epsilon).requires_grad_()
        total = losses = losses_at(shift, forward, head, part)
        for _ in range(self.steps - 1):
            shift = ascended(shift, losses, forward, self.step_size, self.epsilon, keep=True).requires_grad_()
            losses = losses_at(shift, forward, head, part)
            total = total + losses
        return total / self.steps
