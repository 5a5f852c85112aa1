"""A question, and a passage in which its answer is to be found.

A passage of more tokens than a window holds is cut into windows that overlap, each behind the question, as the
fine-tuning of BERT for SQuAD has it (Devlin et al. 2019, arXiv:1810.04805, appendix A.5; doc_stride).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field as Key

from stages.core.errors import InputError
from stages.interfaces import Encoded, Encoder, Field, Unit, Value, Window


@dataclass(frozen=True)
class Passage:
    """A question and a passage, which is kept as it is, so that places in it stay right."""

    stride: Annotated[int, Key(ge=0, description="tokens of the passage that the next window shows again, >= 0")] = 128
    fields: ClassVar[Sequence[Field]] = (Field("question", "text"), Field("passage", "verbatim"))
    unit: ClassVar[Unit] = "passage"
    # The segment of each token, and where in the passage it begins and ends: -1 for a token of no passage.
    columns: ClassVar[Sequence[str]] = ("token_type_ids", "begins", "ends")

    def example(self, cells: Value, where: str) -> Value:
        """Return the cells as they are."""
        return cells

    def encode(self, examples: Sequence[Value], encoder: Encoder) -> Iterator[Encoded]:
        """Yield each passage in windows behind its question. Raises InputError where a window has no room for it."""
        special = encoder.special(pair=True)
        questions = encoder.texts([question for question, _ in examples])
        before, located = "", next(encoder.located([""]))
        for (question, passage), (_, asked) in zip(examples, questions, strict=True):
            if passage != before:  # questions of one passage mostly follow each other
                before, located = passage, next(encoder.located([passage]))
            room = encoder.max_length - special - len(asked.ids)
            if room <= self.stride:
                raise InputError(
                    f"tokenize.max_length: found {encoder.max_length}, but beside the {len(asked.ids)} tokens of the "
                    f"question {question[:60]!r} and {special} special ones, wanted more than the {self.stride} tokens "
                    "of input.stride"
                )
            yield Encoded(
                [_window(asked.ids, located, start, room, encoder) for start in self.starts(len(located.ids), room)],
                [*asked.ids, *located.ids], special, False,
            )  # fmt: skip

    def starts(self, tokens: int, room: int) -> list[int]:
        """Return the first token of each window over `tokens`, of which one shows `room`; the last reaches the end."""
        found = [0]
        while found[-1] + room < tokens:
            found.append(found[-1] + room - self.stride)
        return found

    def shown(self, example: Value) -> Mapping[str, str]:
        """Return {"question": …, "passage": …}."""
        return {"question": example[0], "passage": example[1]}


def _window(asked: Sequence[int], located: Any, start: int, room: int, encoder: Encoder) -> Window:
    part = slice(start, start + room)
    ids, segments, place = encoder.paired(asked, located.ids[part])
    offsets = np.array(located.offsets[part], dtype=np.int64).reshape(-1, 2)
    places = np.full((2, len(ids)), -1, dtype=np.int64)
    places[:, place : place + len(offsets)] = offsets.T
    return Window(ids, {"token_type_ids": segments, "begins": places[0], "ends": places[1]})
