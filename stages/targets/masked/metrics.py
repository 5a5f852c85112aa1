"""How well hidden tokens are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.metric import Examples, Metric, mean

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged(Examples):
    """Texts, of which each token was hidden once while others were shown."""

    texts: NDArray[np.int64]  # (M,): that of each token, ascending
    losses: Floats  # (M,): nats
    hits: Floats  # (M,): 1 where the token was found, else 0
    sure: Floats  # (M,): the probability of the most probable token
    count: int  # of texts

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the texts of `part`; `outputs` (M, 3) are what the head gathers."""
        texts = np.repeat(part["example"].astype(np.int64), [len(hidden) for hidden in part["hidden"]])
        losses, hits, sure = outputs.astype(np.float64).T
        return cls(texts, losses, hits, sure, int(part["example"].max()) + 1)

    def __len__(self) -> int:
        return self.count

    def predictions(self) -> NDArray[np.bool_]:
        """Return which tokens were found, (M,)."""
        return self.hits > 0

    def sums(self, values: Floats) -> Floats:
        """Return the sum of `values` (M,) over each text, and its tokens, (N, 2)."""
        return np.column_stack([np.bincount(self.texts, weights=w, minlength=self.count) for w in (values, None)])


def losses(judged: Judged) -> Floats:
    """Return the loss of each text's tokens, and their number, (N, 2)."""
    return judged.sums(judged.losses)


def hits(judged: Judged) -> Floats:
    """Return how many of each text's tokens were found, and their number, (N, 2)."""
    return judged.sums(judged.hits)


LOSS = Metric("lower", mean, losses)
ACCURACY = Metric("higher", mean, hits, margin=0.01, worst=0.0)
# Salazar et al. (2020), arXiv:1910.14659, hide one token at a time; here every so many-th is hidden with it.
PERPLEXITY = Metric("lower", lambda sums: np.exp(mean(sums)), losses)
METRICS = {"loss": LOSS, "accuracy": ACCURACY, "pseudo_perplexity": PERPLEXITY}
