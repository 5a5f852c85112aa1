"""A linear layer on the encoder's pooled output, and cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stages.interfaces import Part
from stages.targets.weighing import balanced

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Head:
    """One of the labels of `space`; see stages.interfaces.Head."""

    space: Mapping[str, Any]
    reads: ClassVar[Literal["first", "all"]] = "first"
    auto: ClassVar[str] = "AutoModelForSequenceClassification"

    def configure(self, config: Any) -> None:
        """Set the labels."""
        labels = self.space["labels"]
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {name: index for index, name in enumerate(labels)}
        config.problem_type = "single_label_classification"

    def units(self, part: Part) -> NDArray[np.int64]:
        """Return one a window, (rows,)."""
        return np.ones(len(part["label"]), dtype=np.int64)

    def weights(self, part: Part, classes: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return the weight of each row's class, (rows,)."""
        return np.ones(len(part["label"]), dtype=np.float32) if classes is None else classes[part["label"]]

    def balanced(self, part: Part) -> NDArray[np.float32]:
        """Return weights inverse to the classes' shares, (C,)."""
        return balanced(part["label"], self.space["labels"])

    def select(self, logits: Tensor, part: Part) -> Tensor:
        """Return the logits as they are, (rows, C)."""
        return logits

    def losses(self, selected: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the cross-entropy of each row, (rows,)."""
        import torch

        labels = torch.from_numpy(part["label"].astype(np.int64)).to(selected.device)
        return torch.nn.functional.cross_entropy(selected, labels, reduction="none", label_smoothing=smoothing)
