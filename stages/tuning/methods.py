"""What methods have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from stages.learning import Pace

if TYPE_CHECKING:
    from torch import Tensor, nn


class Method:
    """All that learns does so at the same rate, from the start; see stages.learning.Tuning."""

    def paces(self, model: nn.Module) -> Mapping[str, Pace]:
        """Return none."""
        return {}

    def learnt(self, model: nn.Module) -> Mapping[str, Tensor]:
        """Return the parameters that learn, by their own names."""
        return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def merged(self, model: nn.Module) -> nn.Module:
        """Return the model as it is."""
        return model

    def described(self, model: nn.Module, head: frozenset[str]) -> dict[str, Any] | None:
        """Return None: PEFT does not know the method."""
        return None


class Whole(Method):
    """Nothing is added to the model, which is saved whole."""

    save: ClassVar[str] = "model"


class Beside(Method):
    """What is added is saved without its base, and cannot be merged."""

    save: ClassVar[str] = "adapter"


def freeze(model: nn.Module, head: frozenset[str]) -> None:
    """Let nothing of `model` learn but what `head` names."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in head)
