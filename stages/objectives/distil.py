"""Knowledge distillation: a student learns what a teacher says of each row (Hinton et al. 2015, arXiv:1503.02531)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from stages.learning import Forward, Head, Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Distil:
    """The loss, and the divergence from a teacher: `(1 - weight) L + weight T^2 KL(teacher_T || student_T)`.

    A distribution at temperature T is the softmax of the outputs over T; T^2 keeps the size of the gradients (section
    2 of the paper). Of numbers the divergence is the squared difference. Class weights count for both terms.
    """

    taught: ClassVar[bool] = True
    temperature: Annotated[
        float, Field(gt=0, le=100, description="softens both distributions, (0, 100]; numbers have none: 1")
    ] = 1.0
    weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher, the rest is the truth's, [0, 1]")] = (
        0.5
    )

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the loss of each output; see stages.learning.Objective.

        `part["teacher"]` holds the teacher's outputs of each window, (its outputs, C) float32. Raises InputError for a
        temperature of a target that has none.
        """
        import numpy as np
        import torch

        outputs = forward()
        teacher = torch.from_numpy(np.concatenate(part["teacher"])).to(outputs.device)
        soft = head.divergences(outputs, teacher, part, self.temperature)
        return (1 - self.weight) * head.losses(outputs, part, 0.0) + self.weight * soft
