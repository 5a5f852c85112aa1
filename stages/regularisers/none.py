"""Nothing holds the weights but the optimiser's decay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class Free:
    """The weights go where the loss leads them."""

    holds: ClassVar[bool] = False

    def penalty(self, weight: Tensor, start: Tensor, new: bool) -> Tensor | None:
        """Return None."""
        return None

    def factor(self, shape: Sequence[int], new: bool, draw: Callable[[], np.random.Generator]) -> Tensor | None:
        """Return None."""
        return None
