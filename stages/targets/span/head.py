"""Two linear outputs on every token: how well an answer begins there, and how well it ends there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stages.learning import Part
from stages.targets.heads import Plain, refuse_smoothing, set_labels

if TYPE_CHECKING:
    from torch import Tensor

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Head(Plain):
    """Where an answer begins and ends, or the first token for none; see stages.learning.Head."""

    reads: ClassVar[Literal["first", "all"]] = "all"
    auto: ClassVar[str] = "AutoModelForQuestionAnswering"

    def configure(self, config: Any) -> None:
        """Set two outputs."""
        set_labels(config, ["start", "end"])

    def places(self, part: Part) -> Ints:
        """Return the tokens of the passages, and the first of each window, which stands for no answer."""
        lengths = part["length"].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        return np.concatenate([start + kept(begins) for start, begins in zip(starts, part["begins"], strict=True)])

    def units(self, part: Part) -> Ints:
        """Return how many outputs each window has, (rows,)."""
        return np.array([len(kept(begins)) for begins in part["begins"]], dtype=np.int64)

    def read(self, output: Any) -> Tensor:
        """Return how well an answer begins and ends at each token, (B, L, 2)."""
        import torch

        return torch.stack([output.start_logits, output.end_logits], dim=-1)

    def losses(self, outputs: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the mean cross-entropy of both ends over the tokens of each window, (rows,).

        Raises InputError for a smoothing.
        """
        import torch

        refuse_smoothing(smoothing)
        spread, places = self._spread(outputs, part, -torch.inf)
        losses = torch.nn.functional.cross_entropy(spread, places, reduction="none")  # (rows, 2)
        return losses.mean(dim=1)

    def log_probabilities(self, outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Return those of a window's tokens to be each end, (rows, 2, most tokens), and which they are, (rows, 2).

        A shorter window's missing tokens have probability 0, by a logarithm that is finite.
        """
        import torch

        spread, places = self._spread(outputs, part, torch.finfo(outputs.dtype).min)
        return spread.log_softmax(dim=1).transpose(1, 2), places

    def _spread(self, outputs: Tensor, part: Part, missing: float) -> tuple[Tensor, Tensor]:
        """Return the outputs of each window side by side, (rows, most tokens, 2), and its two ends, (rows, 2)."""
        import torch

        counts, wanted = self.units(part), ends(part)
        row = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
        column = torch.from_numpy(np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts))
        spread = outputs.new_full((len(counts), int(counts.max()), 2), missing)
        spread = spread.index_put((row.to(outputs.device), column.to(outputs.device)), outputs)
        return spread, torch.from_numpy(wanted).to(outputs.device)


def kept(begins: NDArray[np.int32]) -> Ints:
    """Return the tokens of a window that have an output: the first, and those of the passage."""
    passage = begins >= 0
    passage[0] = True
    return np.flatnonzero(passage)


def ends(part: Part) -> Ints:
    """Return which outputs of each window the first and last token of its answer have, (rows, 2); 0 for none."""
    found = [np.searchsorted(kept(begins), span[:2]) for begins, span in zip(part["begins"], part["span"], strict=True)]
    return np.array(found, dtype=np.int64).reshape(-1, 2)
