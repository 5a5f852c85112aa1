"""A text in which two entities are marked: <e1>configuration</e1> of antenna <e2>elements</e2>.

The model reads one sign around the first entity and another around the second (R-BERT: Wu and He 2019,
arXiv:1905.08284): signs that its vocabulary has, since marks of their own would be unknown to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field as Key

from stages.core.errors import InputError
from stages.interfaces import Encoded, Encoder, Field, Stretch, Unit, Value, Window

MARKS = ("<e1>", "</e1>", "<e2>", "</e2>")
_MARK = re.compile("|".join(MARKS))
_ENTITY = re.compile(r"(<e1>.*?</e1>|<e2>.*?</e2>)", re.DOTALL)  # with its marks


@dataclass(frozen=True)
class Marked:
    """One text with two marked entities; of a text that is too long, what is furthest from them is cut."""

    first: Annotated[str, Key(min_length=1, description="what stands around the first entity")] = "$"
    second: Annotated[str, Key(min_length=1, description="what stands around the second entity")] = "#"
    fields: ClassVar[Sequence[Field]] = (Field("text", "text"),)
    unit: ClassVar[Unit] = "example"
    columns: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise ValueError(f"second: found {self.second!r}, wanted another sign than around the first entity")

    def example(self, cells: Value, where: str) -> Value:
        """Return (text,). Raises InputError unless each mark stands in it once, one pair after the other."""
        (text,) = cells
        found = _MARK.findall(text)
        for mark in MARKS:
            if found.count(mark) != 1:
                raise InputError(f"{where}: {mark} stands {found.count(mark)} times in {text[:60]!r}, wanted once")
        if found not in ([*MARKS], [*MARKS[2:], *MARKS[:2]]):
            raise InputError(f"{where}: the marks stand as {' '.join(found)}, wanted one entity after the other")
        pieces = _MARK.split(text)
        for number, piece in enumerate((pieces[1], pieces[3])):
            if not piece.strip():
                raise InputError(f"{where}: nothing stands between {found[2 * number]} and {found[2 * number + 1]}")
        return cells

    def read(self, text: str) -> tuple[str, int, int]:
        """Return a text as the model reads it, and the range of its characters from the first sign to the last."""
        signs = {"e1": f" {self.first} ", "e2": f" {self.second} "}
        pieces, held = re.split(r"</?(e[12])>", text), ""
        ends: list[int] = []
        for number, piece in enumerate(pieces):
            if number % 2:
                ends += [len(held) + 1, len(held) + len(signs[piece]) - 1]
            held += signs[piece] if number % 2 else piece
        return held, ends[0], ends[-1]

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield one window a text. Raises InputError where it cannot hold both entities."""
        special = encoder.special()
        room = encoder.max_length - special
        read = [self.read(text) for (text,) in examples]
        for (text, first, last), whole in zip(read, encoder.located([text for text, _, _ in read]), strict=True):
            low, high = _tokens(whole, first, last)
            if high - low > room:
                raise InputError(
                    f"tokenize.max_length: found {encoder.max_length}, but from one entity to the other there are "
                    f"{high - low} tokens in {text[:60]!r}, and {special} special ones"
                )
            start = max(0, min(low - (room - (high - low)) // 2, len(whole.ids) - room))
            ids, _ = encoder.window(whole.ids[start : start + room])
            yield Encoded((Window(ids),), whole.ids, special, len(whole.ids) > room)

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return {"text": …} with its marks."""
        return {"text": example[0]}

    def stretches(self, example: Value) -> Sequence[Stretch]:
        """Return the words before, between and behind the entities."""
        return [Stretch(tuple(piece.split())) for piece in _ENTITY.split(example[0])[::2]]

    def reworded(self, example: Value, stretches: Sequence[Stretch]) -> Value:
        """Return the text with other words around the entities, and the white space beside these as it was."""
        pieces = _ENTITY.split(example[0])
        for place, stretch in enumerate(stretches):
            piece = pieces[2 * place]
            before, after = piece[: len(piece) - len(piece.lstrip())], piece[len(piece.rstrip()) :]
            pieces[2 * place] = f"{before}{' '.join(stretch.words)}{after}" if stretch.words else piece
        return ("".join(pieces),)


def _tokens(whole: Any, first: int, last: int) -> tuple[int, int]:
    """Return the range of tokens in which characters from `first` to before `last` lie."""
    held = [place for place, (start, end) in enumerate(whole.offsets) if end > first and start < last]
    return (held[0], held[-1] + 1) if held else (0, 0)
