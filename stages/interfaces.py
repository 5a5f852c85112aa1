"""What passes between the rooms that make data: Protocols and typed records, no logic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypedDict, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# What a format reads of one column of a row: a float where it is no whole number, a tuple of objects as JSON has them.
Cell = str | float | list[str] | tuple[dict[str, Any], ...]
# What a column holds. A verbatim text is kept as it is, so that places in it stay right; an optional one may be empty;
# a response is one that predict is to find; texts are verbatim ones; labels are a list, or one text that is yet to be
# cut; turns are those of a conversation up to a response, an opening those before it.
Kind = Literal[
    "text", "verbatim", "optional", "response", "words", "labels", "texts", "number", "numbers", "turns", "opening"
]  # fmt: skip
RESPONSES = ("response", "turns")  # kinds of what holds a response: predict asks for what is before it
# What an answer is about; of a word or a passage an example may have several windows.
Unit = Literal["example", "word", "passage", "turn"]
Value = tuple[Any, ...]  # an example, or an answer: a part for each field; equal values are the same one


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
    counts: Sequence[int] | None = None  # 1 for each token that a model of language learns, else 0; None: all


@dataclass(frozen=True)
class Encoded:
    """An example as tokens."""

    windows: Sequence[Window]  # none: it is too long, and left out
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

    @property
    def ends(self) -> Sequence[int]:
        """Return the tokens that end what a model writes."""

    def conversation(self, turns: Sequence[Mapping[str, Any]], template: str | None, begun: bool) -> str:
        """Return turns as one text, by `template` or the model's own; with `begun`, up to where a response begins.

        Raises InputError where there is no template, and for turns or a template that do not do.
        """


class Input(Protocol):
    """What an example is made of: one name of `input` (a frozen dataclass of its keys). No torch at import."""

    unit: ClassVar[Unit]
    columns: ClassVar[Sequence[str]]  # of data/tokens beside input_ids: each a list of whole numbers a window

    @property
    def fields(self) -> Sequence[Field]:
        """Return the columns that an example is made of."""

    def example(self, cells: Value, where: str) -> Value:
        """Return a row's example in its one form. Raises InputError, which begins with `where`, for what is none."""

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield each example as tokens."""

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return the example as people read it: a text for each of its fields."""


@dataclass(frozen=True)
class Stretch:
    """Words of an example that follow each other: free ones, or those of a mention."""

    words: tuple[str, ...]
    mention: str | None = None  # its type; None: free words


@runtime_checkable
class Worded(Protocol):
    """An input that has words which may be changed without making its answer another."""

    def stretches(self, example: Value) -> Sequence[Stretch]:
        """Return those words: what stands in one stretch may change places."""

    def reworded(self, example: Value, stretches: Sequence[Stretch]) -> Value:
        """Return the example with other words in its stretches; whatever else it has stays."""


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
    units: ClassVar[Sequence[Unit]]  # those of the inputs that it goes with
    by_token: ClassVar[bool]  # whether it asks which word each token is of: then windows have their encodings
    generates: ClassVar[bool]  # whether a model of it writes texts: then those of an input with responses are written
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


@runtime_checkable
class Mentioning(Protocol):
    """A target whose answers name mentions: words of a type, which stay together and keep their type."""

    def divided(self, answer: Value, stretches: Sequence[Stretch]) -> Sequence[Stretch]:
        """Return the stretches of an example cut into mentions and the free words between them."""

    def reanswered(self, stretches: Sequence[Stretch]) -> Value:
        """Return the answer that belongs to stretches as `divided` gave them, whatever words they have now."""


Keys = Callable[[int], int]  # row -> a number drawn for it


class Rewrite(Protocol):
    """How a copy of a row is made."""

    def __call__(self, stretches: Sequence[Stretch], draw: np.random.Generator, /) -> Sequence[Stretch]:
        """Return the stretches of a copy; `draw` is its own generator."""


class Augmentation(Protocol):
    """How copies of training rows are made: one name of `augmentation` (a frozen dataclass of its keys)."""

    needs: ClassVar[Literal["nothing", "words", "mentions", "classes"]]  # an input of words, a target of mentions, …

    def counts(self, answers: Numbers, keys: Keys) -> Numbers | None:
        """Return how many copies each row gets (rows,), by the code of its answer (rows,); None: there are none."""

    def rewriter(self, rows: Iterable[Sequence[Stretch]], resource: Path) -> Rewrite | None:
        """Return what makes a copy of a row; None: a copy is the row as it is.

        rows: all training rows. Raises InputError when the folder `resource` lacks what is needed.
        """
