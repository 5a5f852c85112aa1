"""L2-SP: a penalty on the distance from the start (Li et al. 2018, arXiv:1802.01483)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class L2SP:
    """`alpha / 2 |w - w0|^2 + beta / 2 |v|^2` is added to the loss; w0: w at the start, v: the new head.

    It counts once a batch, over every parameter that learns. Of the input embedding, the rows of the batch's tokens
    alone are counted: the others have no gradient. Set `train.weight_decay` to 0, which pulls towards 0.
    """

    alpha: Annotated[float, Field(ge=0, description="pull towards the start, >= 0")] = 0.1
    beta: Annotated[float, Field(ge=0, description="pull of the new head towards 0, >= 0")] = 0.01
    holds: ClassVar[bool] = True

    def penalty(self, weight: Tensor, start: Tensor, new: bool) -> Tensor | None:
        """Return the part of one parameter; see stages.learning.Regulariser."""
        return self.beta / 2 * weight.square().sum() if new else self.alpha / 2 * (weight - start).square().sum()

    def factor(self, shape: Sequence[int], new: bool, draw: Callable[[], np.random.Generator]) -> Tensor | None:
        """Return None."""
        return None
