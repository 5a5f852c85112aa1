"""The vocabulary, at the tokens before those that are learnt, and cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stages.learning import Part
from stages.targets.heads import Plain, one_choice

if TYPE_CHECKING:
    from torch import Tensor

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Head(Plain):
    """The tokens that follow; see stages.learning.Head."""

    reads: ClassVar[Literal["first", "all"]] = "all"
    auto: ClassVar[str] = "AutoModelForCausalLM"
    own: ClassVar[bool] = True

    def configure(self, config: Any) -> None:
        """Change nothing: the vocabulary is the model's."""

    def places(self, part: Part) -> Ints:
        """Return the token before each that is learnt, (M,)."""
        return np.flatnonzero(np.concatenate(part["counts"])) - 1

    def units(self, part: Part) -> Ints:
        """Return how many tokens of each window are learnt, (rows,)."""
        return np.array([int(counts.sum()) for counts in part["counts"]], dtype=np.int64)

    def gathered(self, outputs: Tensor, part: Part) -> Tensor:
        """Return the loss of each token, and whether it is the most probable one, (M, 2)."""
        import torch

        exact = outputs.float()
        hits = exact.argmax(dim=-1) == self._wanted(part).to(outputs.device)
        return torch.stack([self.losses(exact, part, 0.0), hits.float()], dim=-1)

    def weights(self, part: Part, classes: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return ones, (M,)."""
        return np.ones(int(self.units(part).sum()), dtype=np.float32)

    def losses(self, outputs: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the cross-entropy of each token, (M,)."""
        import torch

        wanted = self._wanted(part).to(outputs.device)
        return torch.nn.functional.cross_entropy(outputs, wanted, reduction="none", label_smoothing=smoothing)

    def log_probabilities(self, outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Return those of the tokens, (M, 1, vocabulary), and the token that follows, (M, 1)."""
        return one_choice(outputs, self._wanted(part).numpy())

    def _wanted(self, part: Part) -> Tensor:
        """Return the tokens that are learnt, (M,)."""
        import torch

        ids, counts = (np.concatenate(part[name]) for name in ("input_ids", "counts"))
        return torch.from_numpy(ids[counts > 0].astype(np.int64))
