"""A linear layer on every token, read at the first token of each word, and cross-entropy."""

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
    """One of the tags of `space` for each word; see stages.interfaces.Head."""

    space: Mapping[str, Any]
    reads: ClassVar[Literal["first", "all"]] = "all"
    auto: ClassVar[str] = "AutoModelForTokenClassification"

    def configure(self, config: Any) -> None:
        """Set the tags."""
        labels = self.space["labels"]
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {name: index for index, name in enumerate(labels)}

    def units(self, part: Part) -> NDArray[np.int64]:
        """Return how many words with a token each window owns, (rows,)."""
        return np.array([int((places >= 0).sum()) for places in part["places"]], dtype=np.int64)

    def weights(self, part: Part, classes: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return the weight of each word's tag, (words,)."""
        tags = seen(part)
        return np.ones(len(tags), dtype=np.float32) if classes is None else classes[tags]

    def balanced(self, part: Part) -> NDArray[np.float32]:
        """Return weights inverse to the tags' shares, (C,)."""
        return balanced(seen(part), self.space["labels"])

    def select(self, logits: Tensor, part: Part) -> Tensor:
        """Return those of logits (T, C) that belong to the first token of a word, (words, C)."""
        import torch

        lengths = np.array([len(ids) for ids in part["input_ids"]], dtype=np.int64)
        starts = np.cumsum(lengths) - lengths
        places = np.concatenate([start + at[at >= 0] for start, at in zip(starts, part["places"], strict=True)])
        return logits.index_select(0, torch.from_numpy(places.astype(np.int64)).to(logits.device))

    def losses(self, selected: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the cross-entropy of each word, (words,)."""
        import torch

        tags = torch.from_numpy(seen(part)).to(selected.device)
        return torch.nn.functional.cross_entropy(selected, tags, reduction="none", label_smoothing=smoothing)


def seen(part: Part) -> NDArray[np.int64]:
    """Return the tags of the words that have a token, (words,)."""
    return np.concatenate(part["tags"]).astype(np.int64)[np.concatenate(part["places"]) >= 0]
