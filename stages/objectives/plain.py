"""The loss of the target as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.interfaces import Head, Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Plain:
    """The target's own loss: cross-entropy of classes and tags, squared error of numbers."""

    def losses(self, forward: Callable[[], Tensor], head: Head, part: Part) -> Tensor:
        """Return the loss of each output; see stages.interfaces.Objective."""
        return head.losses(forward(), part, 0.0)
