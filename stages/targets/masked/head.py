"""The vocabulary, at the places of the tokens that are hidden, and cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stages.learning import Part, TokenRows
from stages.targets.heads import Plain, one_choice

if TYPE_CHECKING:
    from torch import Tensor

Ints = NDArray[np.int64]
KEPT, OTHER = 0.1, 0.1  # of the hidden tokens in training: shown as they are, and as any other token


@dataclass(frozen=True)
class Head(Plain):
    """The tokens that are hidden; see stages.learning.Head."""

    reads: ClassVar[Literal["first", "all"]] = "all"
    auto: ClassVar[str] = "AutoModelForMaskedLM"
    fixed: ClassVar[bool] = False  # other tokens are hidden in each epoch

    def configure(self, config: Any) -> None:
        """Change nothing: the vocabulary is the model's."""

    def prepared(self, part: Part, draw: Callable[[int], Any]) -> Part:
        """Hide a share of each window's tokens, one at least: 80 % masked, 10 % another token, 10 % as they are."""
        shown, places = [], []
        for window, (ids, words) in enumerate(zip(part["input_ids"], part["words"], strict=True)):
            random, units = draw(window), self.units_of(words)
            known = np.unique(units[units >= 0])
            count = max(1, round(self.space["probability"] * len(known))) if len(known) else 0
            hidden = np.flatnonzero(np.isin(units, random.permutation(known)[:count]))
            way, others = random.random(len(hidden)), random.integers(self.space["vocabulary"], size=len(hidden))
            tokens = np.where(way < KEPT, ids[hidden], np.where(way < KEPT + OTHER, others, self.space["mask"]))
            shown.append(_with(ids, hidden, tokens))
            places.append(hidden)
        return _hidden(part, shown, places)

    def scored(self, rows: TokenRows) -> TokenRows:
        """Return each window several times, so that each of its tokens is hidden once while all others are shown.

        Of 1 / probability copies each hides every so many-th token, so about as many as in training; a window of fewer
        tokens has fewer copies.
        """
        turns = round(1 / self.space["probability"])
        words = rows.take(np.arange(len(rows.lengths)))["words"]
        copies = np.array([max(1, min(turns, int(self.units_of(of).max(initial=-1)) + 1)) for of in words])
        window = np.repeat(np.arange(len(copies)), copies)
        turn = np.arange(len(window)) - np.repeat(np.cumsum(copies) - copies, copies)

        def take(indices: Ints) -> Part:
            part = rows.take(window[indices])
            shown, places = [], []
            for row, ids, of in zip(indices.tolist(), part["input_ids"], part["words"], strict=True):
                units = self.units_of(of)
                hidden = np.flatnonzero((units >= 0) & (units % copies[window[row]] == turn[row]))
                shown.append(_with(ids, hidden, self.space["mask"]))
                places.append(hidden)
            return _hidden(part, shown, places)

        return TokenRows(rows.lengths[window], take, rows.pad)

    def units_of(self, words: NDArray[Any]) -> Ints:
        """Return what is hidden together, of each token: its word, or it alone; -1 for a special token."""
        if self.space["whole_words"]:
            return words.astype(np.int64)
        return np.where(words >= 0, np.cumsum(words >= 0) - 1, -1)

    def places(self, part: Part) -> Ints:
        """Return the hidden tokens, (M,)."""
        lengths = part["length"].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        return np.concatenate([start + hidden for start, hidden in zip(starts, part["hidden"], strict=True)])

    def units(self, part: Part) -> Ints:
        """Return how many tokens are hidden in each window, (rows,)."""
        return np.array([len(hidden) for hidden in part["hidden"]], dtype=np.int64)

    def gathered(self, outputs: Tensor, part: Part) -> Tensor:
        """Return the loss of each hidden token, whether it was found, and how sure the model was, (M, 3)."""
        import torch

        sure, guess = torch.softmax(outputs.float(), dim=-1).max(dim=-1)
        tokens = torch.from_numpy(np.concatenate(part["tokens"])).to(outputs.device)
        return torch.stack([self.losses(outputs.float(), part, 0.0), (guess == tokens).float(), sure], dim=-1)

    def weights(self, part: Part, classes: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return ones, (M,)."""
        return np.ones(int(self.units(part).sum()), dtype=np.float32)

    def losses(self, outputs: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the cross-entropy of each hidden token, (M,)."""
        import torch

        tokens = torch.from_numpy(np.concatenate(part["tokens"])).to(outputs.device)
        return torch.nn.functional.cross_entropy(outputs, tokens, reduction="none", label_smoothing=smoothing)

    def log_probabilities(self, outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Return those of the tokens, (M, 1, vocabulary), and the token that is hidden, (M, 1)."""
        return one_choice(outputs, np.concatenate(part["tokens"]))


def _with(ids: NDArray[Any], places: Ints, tokens: Any) -> NDArray[Any]:
    found = ids.copy()
    found[places] = tokens
    return found


def _hidden(part: Part, shown: list[NDArray[Any]], places: list[Ints]) -> Part:
    """Return `part` with `shown` for its tokens, `hidden`, the places of those that are, and what these are."""
    tokens = [ids[hidden].astype(np.int64) for ids, hidden in zip(part["input_ids"], places, strict=True)]
    return {**part, "input_ids": shown, "hidden": places, "tokens": tokens}
