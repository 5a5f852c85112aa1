"""What passes between the rooms: Protocols and typed records, no logic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


class Source(Protocol):
    """Where bytes come from: one kind of `data.source` and `model.source` (a frozen dataclass of its keys)."""

    def fetch(self, into: Path) -> None:
        """Fill the empty folder `into`. Raises InputError and may leave anything in `into`: the caller drops it."""


class Format(Protocol):
    """How rows are read from a file: one name of `data.format`."""

    unit: ClassVar[str]  # what a row's number counts, in messages: line, row or file

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield (line or row number from 1, the cells of `columns` as text) in file order, streaming.

        Raises InputError naming file and line for a row that is broken, a header that is missing, a column that is
        not there (formats.cells.NoColumn, with the nearest), or text that is not in `encoding`.
        """


class Schema(TypedDict):
    """data/clean/schema.json, copied to data/tokens/schema.json."""

    task: str
    labels: list[str]  # in the order of the class indices


class Tuning(Protocol):
    """Which parameters learn: one name of `train.tuning`."""

    def apply(self, model: nn.Module, head: frozenset[str]) -> nn.Module:
        """Set `requires_grad` of every parameter in place; `head` names those of the new task head.

        Raises InputError when the choice fits no parameter of the model.
        """


class Objective(Protocol):
    """What is minimised: one name of `train.objective`."""

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """Return the SUM over examples (scalar): the loop divides by the batch's total weight.

        logits (B, C) float32; labels (B,) int64; weights (C,) float32, or None for all ones.
        """


@dataclass(frozen=True)
class Built:
    """A base model made ready for a task."""

    model: nn.Module
    head: frozenset[str]  # names of the parameters of its head, and of all else that was drawn
    notes: Sequence[str]  # what a user should know of how it was built, one line each


class Task(Protocol):
    """What is learnt: one name of `task.name`."""

    def model(
        self, folder: Path, labels: Sequence[str], init: str, head: str, overrides: Mapping[str, Any], key: int
    ) -> Built:
        """Return the base model in `folder` with a head for `labels`: new, or kept."""

    def load(self, folder: Path) -> nn.Module:
        """Return a fine-tuned model as it was saved."""

    def packed(self, model: nn.Module) -> bool:
        """Return whether `model` computes without padding: then a shard's work goes with its tokens alone."""

    def collate(self, rows: Sequence[np.ndarray[Any, Any]], length: int, pad: int) -> dict[str, Tensor]:
        """Return the model's inputs for token rows, padded to `length`: each (B, length)."""


@dataclass(frozen=True)
class TokenRows:
    """One split of data/tokens in memory-mapped form, as the loop and inference read it."""

    lengths: np.ndarray[Any, Any]  # (rows,) int32: tokens of each row
    labels: np.ndarray[Any, Any]  # (rows,) int64: class index of each row
    tokens: Any  # callable: (indices (n,)) -> list of int arrays
    pad: int  # token id of padding
