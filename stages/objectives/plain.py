"""The loss of the target as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stages.learning import Forward, Head, Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Plain:
    """The target's own loss: cross-entropy of classes and tags, squared error of numbers."""

    taught: ClassVar[bool] = False

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the loss of each output; see stages.learning.Objective."""
        return head.losses(forward(), part, 0.0)
