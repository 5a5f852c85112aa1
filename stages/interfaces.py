"""What passes between the rooms: Protocols and typed records, no logic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    Ints = np.ndarray[Any, np.dtype[np.int64]]
    Floats = np.ndarray[Any, np.dtype[np.float32]]

Cell = str | float | list[str]  # what a format reads of one column of a row: a float where it is no whole number
# What a column holds. A verbatim text is kept as it is, so that places in it stay right; texts are verbatim ones;
# labels are a list, or one text that is yet to be cut.
Kind = Literal["text", "verbatim", "words", "labels", "texts", "number", "numbers"]
Unit = Literal["example", "word", "passage"]  # what an answer is about: then an example may have several windows
Value = tuple[Any, ...]  # an example, or an answer: a part for each field; equal values are the same one
Part = Mapping[str, Any]  # the columns of some windows: an array (rows,), or a list of `rows` arrays


class Source(Protocol):
    """Where bytes come from: one kind of `data.source` and `model.source` (a frozen dataclass of its keys)."""

    def fetch(self, into: Path) -> None:
        """Fill the empty folder `into`. Raises InputError and may leave anything in `into`: the caller drops it."""


class Format(Protocol):
    """How rows are read from a file: one name of `data.format`."""

    unit: ClassVar[str]  # what a row's number counts, in messages: line, row or file

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """Yield (line or row number from 1, the cells of `columns`) in file order, streaming.

        Raises InputError naming file and line for a row that is broken, a header that is missing, a column that is
        not there (formats.cells.NoColumn, with the nearest), or text that is not in `encoding`.
        """


@dataclass(frozen=True)
class Field:
    """A column that an input or a target needs: a key of `data.columns`."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Window:
    """What a model takes of an example at once."""

    ids: Sequence[int]  # token ids, special ones among them
    columns: Mapping[str, Sequence[int]] = field(default_factory=dict)  # what else the input tells of the tokens
    encoding: Any = None  # that of the tokenizer, where the window is one


@dataclass(frozen=True)
class Encoded:
    """An example as tokens."""

    windows: Sequence[Window]  # one at least
    ids: Sequence[int]  # all its tokens, without special ones
    special: int  # special tokens of a window
    cut: bool  # whether some of its tokens are in no window


class Encoder(Protocol):
    """Texts to token ids with the special tokens of a model; `stages.encoding.Encoder` is the one."""

    @property
    def max_length(self) -> int:
        """Return how many tokens a window has at most, special ones among them."""

    @property
    def vocabulary(self) -> int:
        """Return the number of ids a model must know."""

    @property
    def mask(self) -> int | None:
        """Return the token that stands for one that is to be found, None where there is none."""

    def texts(self, texts: Sequence[str]) -> Iterator[tuple[Any, Any]]:
        """Yield for each text (its encoding between special tokens, cut at `max_length`; the whole one without)."""

    def located(self, texts: Sequence[str]) -> Iterator[Any]:
        """Yield for each text its whole encoding, without special tokens, which knows its tokens' places in it."""

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[Any, Any, Any]]:
        """Yield for each pair (its encoding between special tokens, the longer text cut first; the two whole ones)."""

    def window(self, ids: Sequence[int]) -> tuple[list[int], int]:
        """Return `ids`, at most `max_length - special()`, between a text's special tokens, and the first's place."""

    def paired(self, first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int], int]:
        """Return two texts' ids between a pair's special tokens, their segments, and the place of the second's first.

        They are at most `max_length - special(pair=True)` ids.
        """

    def special(self, pair: bool = False) -> int:
        """Return how many special tokens a text or a pair gets."""


class Input(Protocol):
    """What an example is made of: one name of `input` (a frozen dataclass of its keys). No torch at import."""

    fields: ClassVar[Sequence[Field]]
    unit: ClassVar[Unit]
    columns: ClassVar[Sequence[str]]  # of data/tokens beside input_ids: each a list of whole numbers a window

    def example(self, cells: Value, where: str) -> Value:
        """Return a row's example in its one form. Raises InputError, which begins with `where`, for what is none."""

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield each example as tokens."""

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return the example as people read it: a text for each of its fields."""


class Schema(TypedDict):
    """data/clean/schema.json; data/tokens/schema.json has the options of both, and the tokenizer's sizes, too."""

    input: str
    target: str
    space: dict[str, Any]


class Target(Protocol):
    """What is learnt, its data side: one name of `target` (a frozen dataclass of its keys in targets/NAME/data.py).

    Its head and losses are in head.py, its scores in metrics.py, what evaluate alone tells of them in report.py.
    """

    fields: ClassVar[Sequence[Field]]  # none: what is learnt is in the example itself
    stored: ClassVar[str]  # the column of data/tokens and, if there are fields, of data/clean
    form: ClassVar[Literal["index", "indices", "number"]]  # what it holds
    unit: ClassVar[Unit]
    by_token: ClassVar[bool]  # whether it asks which word each token is of: then windows have their encodings
    grouped: ClassVar[bool]  # whether an answer is one of a few classes: then splits and samples go by them

    def answer(self, example: Value, cells: Value, where: str) -> Value | None:
        """Return a row's answer in its one form, None for a row that is to be left out.

        Raises InputError, which begins with `where`, for what is no answer.
        """

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return what answers there are: label names, tags, a range. `answers` are those that occur, each once."""

    def completed(self, space: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Return the space with what the tokenizer adds. Raises InputError for a tokenizer that does not do."""

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], Any]:
        """Return how an answer is written in `stored`: a class index, a list of tag indices, a number."""

    def blank(self, example: Value) -> Any:
        """Return a stored answer that says nothing, for an example without one."""

    def align(self, stored: Any, window: Window) -> Any:
        """Return the stored answer (None without fields) as it belongs to the tokens of a window."""

    def learnt(self, aligned: Sequence[Any], row: int) -> Sequence[int]:
        """Return which windows of a training example are learnt from, by the answers as `align` gave them."""


class Head(Protocol):
    """What is learnt, its side of the model: `Head(space)` in targets/NAME/head.py."""

    reads: ClassVar[Literal["first", "all"]]  # which tokens the head reads: what the unpadded encoder keeps
    auto: ClassVar[str]  # the class of transformers that builds it

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
