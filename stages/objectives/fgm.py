"""Adversarial training of the input embeddings by one step (Miyato et al. 2017, arXiv:1605.07725)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from stages.learning import Forward, Head, Part
from stages.objectives.perturbation import losses_at, scaled

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FGM:
    """The loss, and the loss where it rises the most: `L(x) + L(x + r)`, `r = epsilon g / |g|`, g the gradient of L(x).

    x are a window's token embeddings as they are; the paper, which trains its own, normalises them.
    """

    taught: ClassVar[bool] = False
    epsilon: Annotated[float, Field(gt=0, description="2-norm of a window's perturbation, > 0")] = 1.0

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the sum of both losses of each output; see stages.learning.Objective."""
        import torch

        still = forward.still().requires_grad_()
        plain = losses_at(still, forward, head, part)
        (slope,) = torch.autograd.grad((plain * forward.weights).sum(), still, retain_graph=True)
        return plain + losses_at(scaled(slope, forward.windows, self.epsilon), forward, head, part)
