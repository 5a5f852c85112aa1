"""What the heads of several targets share: one output a window where nothing else is said, and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import InputError
from stages.learning import Part, TokenRows

if TYPE_CHECKING:
    from torch import Tensor

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Plain:
    """One output a window, from its first token; see stages.learning.Head."""

    space: Mapping[str, Any]
    reads: ClassVar[Literal["first", "all"]] = "first"
    auto: ClassVar[str] = "AutoModelForSequenceClassification"
    own: ClassVar[bool] = False
    fixed: ClassVar[bool] = True

    def prepared(self, part: Part, draw: Callable[[int], Any]) -> Part:
        """Return `part` as it is."""
        return part

    def scored(self, rows: TokenRows) -> TokenRows:
        """Return `rows` as they are."""
        return rows

    def places(self, part: Part) -> Ints | None:
        """Return None: each window has one output."""
        return None

    def units(self, part: Part) -> Ints:
        """Return one a window, (rows,)."""
        return np.ones(len(part["length"]), dtype=np.int64)

    def read(self, output: Any) -> Tensor:
        """Return the logits."""
        logits: Tensor = output.logits
        return logits

    def gathered(self, outputs: Tensor, part: Part) -> Tensor:
        """Return the outputs as they are."""
        return outputs

    def weights(self, part: Part, classes: Floats | None) -> Floats:
        """Return ones, (rows,)."""
        return np.ones(len(part["length"]), dtype=np.float32)

    def balanced(self, part: Part) -> Floats:
        """Raise InputError: there are no classes."""
        raise InputError("train.class_weights: wanted none, since this target has no classes")

    def log_probabilities(self, outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Raise InputError: the outputs are no probabilities."""
        raise InputError("train.objective: focal and rdrop need classes, which this target has not: set plain")

    def divergences(self, outputs: Tensor, teacher: Tensor, part: Part, temperature: float) -> Tensor:
        """Return T^2 KL(teacher || outputs) of each loss, the mean over its choices, (N,).

        The softmax of log-probabilities over T is that of the logits over T: they differ by a constant.
        """
        import torch

        ours, theirs = (
            (self.log_probabilities(of, part)[0] / temperature).clamp_min(torch.finfo(of.dtype).min).log_softmax(dim=2)
            for of in (outputs, teacher)
        )  # (N, D, K); a choice that is not there stays finite, so that it adds 0
        return temperature**2 * (theirs.exp() * (theirs - ours)).sum(dim=2).mean(dim=1)


@dataclass(frozen=True)
class Labelled(Plain, ABC):
    """One of the labels of `space` for each output, and cross-entropy."""

    @abstractmethod
    def labels(self, part: Part) -> Ints:
        """Return the index of each output's label, (M,)."""

    def configure(self, config: Any) -> None:
        """Set the labels."""
        set_labels(config, self.space["labels"])

    def weights(self, part: Part, classes: Floats | None) -> Floats:
        """Return the weight of each output's label, (M,)."""
        labels = self.labels(part)
        return np.ones(len(labels), dtype=np.float32) if classes is None else classes[labels]

    def balanced(self, part: Part) -> Floats:
        """Return M / (C * outputs of the label), (C,). Raises InputError when a label does not occur."""
        names = self.space["labels"]
        counts = np.bincount(self.labels(part), minlength=len(names))
        if (counts == 0).any():
            absent = names[int(counts.argmin())]
            raise InputError(f"train.class_weights: {absent!r} is in no training row, so it has no weight")
        weights: Floats = (counts.sum() / (len(names) * counts)).astype(np.float32)
        return weights

    def losses(self, outputs: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return the cross-entropy of each output, (M,)."""
        import torch

        labels = torch.from_numpy(self.labels(part)).to(outputs.device)
        return torch.nn.functional.cross_entropy(outputs, labels, reduction="none", label_smoothing=smoothing)

    def log_probabilities(self, outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Return those of the labels, (M, 1, C), and the label of each output, (M, 1)."""
        return one_choice(outputs, self.labels(part))


@dataclass(frozen=True)
class OfWindows(Labelled):
    """One label a window."""

    def labels(self, part: Part) -> Ints:
        """Return the label of each window, (rows,)."""
        labels: Ints = part["label"].astype(np.int64)
        return labels

    def configure(self, config: Any) -> None:
        """Set the labels, of which each window has one."""
        super().configure(config)
        config.problem_type = "single_label_classification"


def one_choice(outputs: Tensor, truth: Ints) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of outputs (M, C) as (M, 1, C), and `truth` (M,) as (M, 1)."""
    import torch

    return outputs.log_softmax(dim=1)[:, None], torch.from_numpy(truth).to(outputs.device)[:, None]


def set_labels(config: Any, labels: Sequence[str]) -> None:
    """Let a transformers config have `labels`, in their order."""
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {name: index for index, name in enumerate(labels)}


def refuse_smoothing(smoothing: float) -> None:
    """Raise InputError for a smoothing, which a target without classes cannot have."""
    if smoothing:
        raise InputError("train.objective: smoothed needs classes, which this target has not: set plain")
