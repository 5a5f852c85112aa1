"""A linear layer on the first token of each word, and cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stages.learning import Part
from stages.targets.heads import Labelled


@dataclass(frozen=True)
class Head(Labelled):
    """One of the tags of `space` for each word; see stages.learning.Head."""

    reads: ClassVar[Literal["first", "all"]] = "all"
    auto: ClassVar[str] = "AutoModelForTokenClassification"

    def places(self, part: Part) -> NDArray[np.int64]:
        """Return the first token of each word that has one, (words,)."""
        lengths = part["length"].astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        held = [start + places[places >= 0] for start, places in zip(starts, part["places"], strict=True)]
        return np.concatenate(held).astype(np.int64)

    def units(self, part: Part) -> NDArray[np.int64]:
        """Return how many words with a token each window owns, (rows,)."""
        return np.array([int((places >= 0).sum()) for places in part["places"]], dtype=np.int64)

    def labels(self, part: Part) -> NDArray[np.int64]:
        """Return the tags of the words that have a token, (words,)."""
        return np.concatenate(part["tags"]).astype(np.int64)[np.concatenate(part["places"]) >= 0]
