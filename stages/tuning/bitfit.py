"""BitFit: only the biases and the task head learn (Ben Zaken et al. 2022, arXiv:2106.10199)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.core.errors import InputError
from stages.tuning.methods import Whole

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BitFit(Whole):
    """Only biases and the task head learn."""

    only: tuple[str, ...] = ()  # substrings of bias names; () lets every bias learn

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Freeze in place all but biases and `head`. Raises InputError when a substring matches no bias."""
        biases = {name for name, _ in model.named_parameters() if name.endswith("bias")}
        for part in self.only:
            if not any(part in name for name in biases):
                raise InputError(f"train.tuning.only: {part!r} is in the name of no bias of the model")
        chosen = {n for n in biases if not self.only or any(part in n for part in self.only)}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in chosen or name in head)
        return model
