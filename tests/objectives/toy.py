"""A model for the objectives: the logits of a window are the mean of its tokens' embeddings times a matrix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Toy:
    """See stages.learning.Forward. `shifts` are those of the passes so far, `anew` how many drew other masks."""

    def __init__(self, windows: Sequence[Tensor], matrix: Tensor, noise: Tensor | None = None) -> None:
        self.embeddings = torch.cat(list(windows))  # (T, H)
        self.windows = torch.repeat_interleave(torch.arange(len(windows)), torch.tensor([len(w) for w in windows]))
        self.weights = torch.ones(len(windows))
        self.matrix = matrix  # (H, C)
        self.given = noise
        self.shifts: list[Tensor | None] = []
        self.anew = 0

    def still(self) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(self.embeddings)

    def noise(self) -> Tensor:
        """Return what was given."""
        assert self.given is not None
        return self.given

    def __call__(self, shift: Tensor | None = None, again: bool = False) -> Tensor:
        """Return the logits, (B, C)."""
        self.shifts.append(None if shift is None else shift.detach().clone())
        self.anew += not again
        tokens = (self.embeddings if shift is None else self.embeddings + shift) @ self.matrix
        return torch.stack([tokens[self.windows == i].mean(dim=0) for i in range(len(self.weights))])


class Fixed(Toy):
    """Gives the logits that it was made with, pass by pass."""

    def __init__(self, *passes: Tensor) -> None:
        super().__init__([torch.zeros(1, 1)] * len(passes[0]), torch.zeros(1, 1), torch.zeros(len(passes[0]), 1))
        self.passes = list(passes)

    def __call__(self, shift: Tensor | None = None, again: bool = False) -> Tensor:
        """Return the next logits, the last ones for ever."""
        found = self.passes.pop(0) if len(self.passes) > 1 else self.passes[0]
        return found if shift is None else found + 0 * shift.sum()
