"""No average: the weights of the last step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Last:
    """The weights as the last step left them."""

    averages: ClassVar[bool] = False

    def rate(self, step: int, steps: int, epoch: int) -> float:
        """Return 1."""
        return 1.0
