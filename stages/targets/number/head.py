"""One output on the encoder's pooled output, and the squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.core.errors import InputError
from stages.learning import Part
from stages.targets.heads import Plain, refuse_smoothing

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Head(Plain):
    """One number; see stages.learning.Head."""

    def configure(self, config: Any) -> None:
        """Set one output, which transformers' pipelines take for a number."""
        config.num_labels = 1
        config.id2label = {0: "number"}
        config.label2id = {"number": 0}
        config.problem_type = "regression"

    def losses(self, outputs: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the squared error of each row, (rows,). Raises InputError for a smoothing."""
        import torch

        refuse_smoothing(smoothing)
        numbers = torch.from_numpy(part["number"].astype(np.float32)).to(outputs.device)
        return (outputs[:, 0] - numbers).square()

    def divergences(self, outputs: Tensor, teacher: Tensor, part: Part, temperature: float) -> Tensor:
        """Return the squared difference of each row, (rows,). Raises InputError for a temperature other than 1."""
        if temperature != 1:
            raise InputError(f"train.objective.temperature: found {temperature}, wanted 1: a number has no classes")
        return (outputs - teacher)[:, 0].square()
