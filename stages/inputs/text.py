"""One text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stages.interfaces import Encoded, Encoder, Field, Stretch, Unit, Value, Window


@dataclass(frozen=True)
class Text:
    """One text, cut at tokenize.max_length."""

    fields: ClassVar[Sequence[Field]] = (Field("text", "text"),)
    unit: ClassVar[Unit] = "example"
    columns: ClassVar[Sequence[str]] = ()

    def example(self, cells: Value, where: str) -> Value:
        """Return the cells as they are."""
        return cells

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield one window a text; see stages.interfaces.Input."""
        special = encoder.special()
        for cut, whole in encoder.texts([text for (text,) in examples]):
            yield Encoded(
                (Window(cut.ids, encoding=cut),), whole.ids, special, len(whole.ids) + special > encoder.max_length
            )

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return {"text": …}."""
        return {"text": example[0]}

    def stretches(self, example: Value) -> Sequence[Stretch]:
        """Return all its words, which are apart by white space."""
        return [Stretch(tuple(text.split())) for text in example]

    def reworded(self, example: Value, stretches: Sequence[Stretch]) -> Value:
        """Return the words with blanks between them."""
        return tuple(" ".join(stretch.words) for stretch in stretches)
