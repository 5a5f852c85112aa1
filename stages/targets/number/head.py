"""One output on the encoder's pooled output, and the squared error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import InputError
from stages.interfaces import Part

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Head:
    """One number; see stages.interfaces.Head."""

    space: Mapping[str, Any]
    reads: ClassVar[Literal["first", "all"]] = "first"
    auto: ClassVar[str] = "AutoModelForSequenceClassification"

    def configure(self, config: Any) -> None:
        """Set one output, which transformers' pipelines take for a number."""
        config.num_labels = 1
        config.id2label = {0: "number"}
        config.label2id = {"number": 0}
        config.problem_type = "regression"

    def units(self, part: Part) -> NDArray[np.int64]:
        """Return one a window, (rows,)."""
        return np.ones(len(part["number"]), dtype=np.int64)

    def weights(self, part: Part, classes: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return ones, (rows,)."""
        return np.ones(len(part["number"]), dtype=np.float32)

    def balanced(self, part: Part) -> NDArray[np.float32]:
        """Raise InputError: numbers have no classes."""
        raise InputError("train.class_weights: wanted none, since this target has no classes")

    def select(self, logits: Tensor, part: Part) -> Tensor:
        """Return the outputs as they are, (rows, 1)."""
        return logits

    def losses(self, selected: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the squared error of each row, (rows,). Raises InputError for a smoothing."""
        import torch

        if smoothing:
            raise InputError("train.objective: smoothed needs classes, which this target has not: set plain")
        numbers = torch.from_numpy(part["number"].astype(np.float32)).to(selected.device)
        return (selected[:, 0] - numbers).square()
