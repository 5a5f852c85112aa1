"""How well tokens are foreseen."""

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
    """Texts with the sums over their tokens that are learnt."""

    loss: Floats  # (N,): nats
    hits: Floats  # (N,): tokens that were the most probable ones
    tokens: Floats  # (N,)

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the texts of `part`; `outputs` (M, 2) are what the head gathers."""
        texts = np.repeat(part["example"].astype(np.int64), [int(counts.sum()) for counts in part["counts"]])
        count = int(part["example"].max()) + 1
        loss, hits = outputs.astype(np.float64).T
        sums = [np.bincount(texts, weights=w, minlength=count).astype(np.float64) for w in (loss, hits, None)]
        return cls(*sums)

    def __len__(self) -> int:
        return len(self.tokens)

    def perplexities(self) -> Floats:
        """Return the perplexity of each text, (N,); NaN for one without tokens."""
        some = self.tokens > 0
        found: Floats = np.exp(np.divide(self.loss, self.tokens, out=np.full(len(self), np.nan), where=some))
        return found


def losses(judged: Judged) -> Floats:
    """Return the loss of each text's tokens, and their number, (N, 2)."""
    return np.column_stack([judged.loss, judged.tokens])


def hits(judged: Judged) -> Floats:
    """Return how many of each text's tokens were the most probable ones, and their number, (N, 2)."""
    return np.column_stack([judged.hits, judged.tokens])


LOSS = Metric("lower", mean, losses)
ACCURACY = Metric("higher", mean, hits, margin=0.01, worst=0.0)
PERPLEXITY = Metric("lower", lambda sums: np.exp(mean(sums)), losses)
METRICS = {"loss": LOSS, "accuracy": ACCURACY, "perplexity": PERPLEXITY}
