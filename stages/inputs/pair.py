"""Two texts, read together: premise and hypothesis, two sentences, question and answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from stages.core.errors import InputError
from stages.interfaces import Encoded, Encoder, Field, Stretch, Unit, Value, Window


@dataclass(frozen=True)
class Pair:
    """Two texts in one row of tokens; of a pair that is too long the longer text is cut, token by token."""

    fields: ClassVar[Sequence[Field]] = (Field("first", "text"), Field("second", "text"))
    unit: ClassVar[Unit] = "example"
    columns: ClassVar[Sequence[str]] = (
        "token_type_ids",
    )  # 0 for the first text, 1 for the second, where a model tells

    def example(self, cells: Value, where: str) -> Value:
        """Return the cells as they are."""
        return cells

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield one window a pair; see stages.interfaces.Input."""
        special = encoder.special(pair=True)
        if encoder.max_length < special + 2:
            raise InputError(
                f"tokenize.max_length: found {encoder.max_length}, wanted {special + 2} at least for a pair"
            )
        for cut, *wholes in encoder.pairs([(first, second) for first, second in examples]):
            ids = [token for whole in wholes for token in whole.ids]
            window = Window(cut.ids, {"token_type_ids": cut.type_ids}, cut)
            yield Encoded((window,), ids, special, len(ids) + special > encoder.max_length)

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return {"first": …, "second": …}."""
        return {"first": example[0], "second": example[1]}

    def stretches(self, example: Value) -> Sequence[Stretch]:
        """Return all words of the one and of the other text, which are apart by white space."""
        return [Stretch(tuple(text.split())) for text in example]

    def reworded(self, example: Value, stretches: Sequence[Stretch]) -> Value:
        """Return the words of each text with blanks between them."""
        return tuple(" ".join(stretch.words) for stretch in stretches)
