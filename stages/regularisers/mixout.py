"""Mixout: some weights are those of the start for a step (Lee et al. 2020, arXiv:1909.11299)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class Mixout:
    """A step computes with `(m w0 + (1 - m) w - p w0) / (1 - p)`; w0: w at the start, m: 1 with probability p, else 0.

    That is `w0 + (1 - m) / (1 - p) (w - w0)`, whose mean is w. Each element of the base model's learning weight
    matrices is drawn once a step, for all its shards; biases, norms, embeddings and what was drawn (the new head) stay
    as they are. It stands in the place of dropout, which is `model.overrides` to set to 0. Validation sees w.
    """

    p: Annotated[float, Field(gt=0, lt=1, description="share of the weights that are those of the start, (0, 1)")] = 0.5
    holds: ClassVar[bool] = True

    def penalty(self, weight: Tensor, start: Tensor, new: bool) -> Tensor | None:
        """Return None."""
        return None

    def factor(self, shape: Sequence[int], new: bool, draw: Callable[[], np.random.Generator]) -> Tensor | None:
        """Return 0 with probability p, else 1 / (1 - p), for each element; see stages.learning.Regulariser."""
        import numpy as np
        import torch

        if new:
            return None
        kept = draw().random(tuple(shape), np.float32) >= self.p
        return torch.from_numpy(kept).float() / (1 - self.p)
