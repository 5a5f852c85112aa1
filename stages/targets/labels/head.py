"""A linear layer on the encoder's pooled output, and the binary cross-entropy of each label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.learning import Part
from stages.targets.heads import Plain, refuse_smoothing, set_labels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Head(Plain):
    """Any of the labels of `space`; see stages.learning.Head."""

    def configure(self, config: Any) -> None:
        """Set the labels, of which a window has any number."""
        set_labels(config, self.space["labels"])
        config.problem_type = "multi_label_classification"

    def losses(self, outputs: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the mean binary cross-entropy of each row, (rows,). Raises InputError for a smoothing."""
        import torch

        refuse_smoothing(smoothing)
        wanted = torch.from_numpy(held(part, self.space).astype(np.float32)).to(outputs.device)
        losses = torch.nn.functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        return losses.mean(dim=1)

    def log_probabilities(self, outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Return those of each label to be absent and to be there, (rows, L, 2), and whether it is, (rows, L)."""
        import torch

        wanted = torch.from_numpy(held(part, self.space).astype(np.int64)).to(outputs.device)
        return torch.nn.functional.logsigmoid(torch.stack([-outputs, outputs], dim=-1)), wanted


def held(part: Mapping[str, Any], space: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return which labels each row has, (rows, L)."""
    found = np.zeros((len(part["labels"]), len(space["labels"])), dtype=np.bool_)
    for row, labels in enumerate(part["labels"]):
        found[row, labels] = True
    return found
