"""What passes between the rooms that learn and score: Protocols and typed records, no logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    Ints = np.ndarray[Any, np.dtype[np.int64]]
    Floats = np.ndarray[Any, np.dtype[np.float32]]

Part = Mapping[str, Any]  # the columns of some windows: an array (rows,), or a list of `rows` arrays


class Head(Protocol):
    """What is learnt, its side of the model: `Head(space)` in targets/NAME/head.py."""

    reads: ClassVar[Literal["first", "all"]]  # which tokens the head reads: what the unpadded encoder keeps
    auto: ClassVar[str]  # the class of transformers that builds it
    own: ClassVar[bool]  # whether it is a part of the base, which is never drawn anew
    fixed: ClassVar[bool]  # whether a window asks the same in every epoch: then a teacher can be asked once

    def configure(self, config: Any) -> None:
        """Set what a transformers config says of the head."""

    def prepared(self, part: Part, draw: Callable[[int], Any]) -> Part:
        """Return `part` as it is learnt from; `draw(i)` is the generator of its window i in this epoch."""

    def scored(self, rows: TokenRows) -> TokenRows:
        """Return the rows as they are computed to be scored."""

    def places(self, part: Part) -> Ints | None:
        """Return (M,): which of all real tokens, one after another, have an output; None where each window has one."""

    def units(self, part: Part) -> Ints:
        """Return (rows,): how many outputs each window has."""

    def read(self, output: Any) -> Tensor:
        """Return the outputs of what a model returned: (B, C) for windows, (B, L, C) for tokens."""

    def gathered(self, outputs: Tensor, part: Part) -> Tensor:
        """Return (M, K): what of the outputs (M, C) the scores need, computed where they are."""

    def weights(self, part: Part, classes: Floats | None) -> Floats:
        """Return (N,): the weight of each loss; `classes` (C,) weighs the classes."""

    def balanced(self, part: Part) -> Floats:
        """Return (C,): weights inverse to the classes' shares. Raises InputError where there are no classes."""

    def losses(self, outputs: Tensor, part: Part, smoothing: float) -> Tensor:
        """Return (N,): the losses of outputs (M, C); `smoothing` spreads a share over all classes."""

    def log_probabilities(self, outputs: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Return (N, D, K), the log-probabilities of D choices among K for each loss, and (N, D), which are true.

        The loss is the mean of their cross-entropies. Raises InputError for outputs that are no probabilities.
        """

    def divergences(self, outputs: Tensor, teacher: Tensor, part: Part, temperature: float) -> Tensor:
        """Return (N,): how far outputs (M, C) are from those of a teacher (M, C), at a temperature > 0.

        Raises InputError for a temperature where there is none.
        """


@dataclass(frozen=True)
class Pace:
    """How a parameter learns."""

    rate: float = 1.0  # its learning rate in parts of train.lr
    epoch: int = 0  # from which it learns


class Tuning(Protocol):
    """Which parameters learn: one name of `train.tuning`."""

    @property
    def save(self) -> str:
        """Return what is saved: model, the whole one; adapter, what learnt; or merged, the whole one after `merged`."""

    def apply(self, model: nn.Module, head: frozenset[str], key: int) -> nn.Module:
        """Return the model that learns, `requires_grad` of every parameter set; `head` names those of the new head.

        Weights that are added are drawn as a function of `key`. Raises InputError when the choice does not fit the
        model.
        """

    def paces(self, model: nn.Module) -> Mapping[str, Pace]:
        """Return how parameters learn, by name, where that is not Pace()."""

    def learnt(self, model: nn.Module) -> Mapping[str, Tensor]:
        """Return the parameters that learn, by the names under which an adapter is saved."""

    def merged(self, model: nn.Module) -> nn.Module:
        """Return the model with what was added brought into its own weights."""

    def described(self, model: nn.Module, head: frozenset[str]) -> dict[str, Any] | None:
        """Return PEFT's adapter_config.json of a model that `apply` returned, None where PEFT has no such method."""


class Forward(Protocol):
    """The forward pass over a shard of T real tokens, one window after another, with H numbers an embedding."""

    @property
    def windows(self) -> Tensor:
        """Return (T,) int64: which window of the shard each token is of."""

    @property
    def weights(self) -> Tensor:
        """Return (N,) float32: the weight of each loss."""

    def still(self) -> Tensor:
        """Return (T, H) float32 zeros."""

    def noise(self) -> Tensor:
        """Return (T, H) float32, uniform in [-1, 1): of each window a function of (seed, step, window) alone."""

    def __call__(self, shift: Tensor | None = None, again: bool = False) -> Tensor:
        """Return (M, C) float32; `shift` (T, H) is added to the input embeddings, `again` repeats the dropout masks."""


class Objective(Protocol):
    """What is minimised: one name of `train.objective`."""

    taught: ClassVar[bool]  # whether it learns from a teacher: then `part` has its outputs, column `teacher`

    def losses(self, forward: Forward, head: Head, part: Part) -> Tensor:
        """Return the losses (N,) float32; `forward` may be called several times."""


class Regulariser(Protocol):
    """What holds the weights to those of the start: one name of `train.regularise`."""

    holds: ClassVar[bool]  # whether it does: then the weights of the start are kept in memory

    def penalty(self, weight: Tensor, start: Tensor, new: bool) -> Tensor | None:
        """Return what a parameter adds to a batch's loss; `start`: what it was; `new`: whether it was drawn."""

    def factor(self, shape: Sequence[int], new: bool, draw: Callable[[], np.random.Generator]) -> Tensor | None:
        """Return a step's factors F of a weight matrix, None to leave it: its forward passes see start + F (w - start).

        `draw` returns the generator of this step and parameter.
        """


class Average(Protocol):
    """Which weights are validated and kept: one name of `train.average`."""

    averages: ClassVar[bool]  # whether they are others than the last step's: then they are kept in memory

    def rate(self, step: int, steps: int, epoch: int) -> float:
        """Return how far the average moves to the weights after `step` of `steps`, [0, 1]; an epoch has `epoch`."""


@dataclass(frozen=True)
class Built:
    """A base model made ready for a task."""

    model: nn.Module
    head: frozenset[str]  # names of the parameters of its head, and of all else that was drawn
    notes: Sequence[str]  # what a user should know of how it was built, one line each


@dataclass(frozen=True)
class TokenRows:
    """One split of data/tokens, a window a row, as the loop and inference read it."""

    lengths: np.ndarray[Any, Any]  # (rows,) int32: tokens of each window
    take: Callable[[Ints], Part]  # the columns of the windows at (n,) indices
    pad: int  # token id of padding
