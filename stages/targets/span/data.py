"""The place of an answer in a passage, or that there is none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Key

from stages.core.errors import InputError
from stages.interfaces import Field, Unit, Value, Window
from stages.targets.answers import Plain

NEAR = 100  # characters to either side in which a misplaced answer is looked for


@dataclass(frozen=True)
class Span(Plain):
    """A part of the passage; several right ones may be known, and a question without any may have no answer."""

    # What is done with an answer that does not stand at its place: drop leaves it out, mend moves it to where its text
    # stands, if that is one place nearby, else leaves it out. A row of which all answers are left out is left out.
    misplaced: Literal["drop", "mend", "error"] = "error"
    without: (
        Annotated[int, Key(ge=0, description="windows without an answer learnt from, a question; null: all")] | None
    ) = None
    longest: Annotated[int, Key(ge=1, description="tokens of a predicted answer at most, >= 1")] = 30
    fields: ClassVar[Sequence[Field]] = (Field("answers", "texts"), Field("starts", "numbers"))
    stored: ClassVar[str] = "span"
    form: ClassVar[str] = "indices"
    units: ClassVar[Sequence[Unit]] = ("passage",)

    def answer(self, example: Value, cells: Value, where: str) -> Value | None:
        """Return ((begin, end), …) in characters of the passage, () for a question without an answer.

        Raises InputError for an answer that does not stand at its place, where `misplaced` is error.
        """
        passage, (texts, starts) = example[1], cells
        if len(texts) != len(starts):
            raise InputError(f"{where}: {len(texts)} answers, but {len(starts)} starts: wanted one each")
        found = [self._place(passage, text, start, where) for text, start in zip(texts, starts, strict=True)]
        placed = tuple(dict.fromkeys(of for of in found if of is not None))
        return None if found and not placed else placed

    def _place(self, passage: str, text: str, start: float, where: str) -> tuple[int, int] | None:
        if not text.strip():
            raise InputError(f"{where}: an answer without text; a question without an answer has an empty list")
        if start == int(start) >= 0 and passage[int(start) : int(start) + len(text)] == text:
            return int(start), int(start) + len(text)
        if self.misplaced == "error":
            raise InputError(
                f"{where}: the answer {text[:60]!r} does not stand at character {start:g} of its passage "
                "(target.misplaced: drop leaves such answers out, mend looks nearby)"
            )
        if self.misplaced == "drop":
            return None
        low = max(0, int(start) - NEAR)
        high = max(0, int(start) + len(text) + NEAR)
        place = passage.find(text, low, high)
        again = passage.find(text, place + 1, high) if place >= 0 else -1
        return (place, place + len(text)) if place >= 0 > again else None

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return {"longest": …, "no_answer": whether a question may have none}. Raises InputError if all have none."""
        held = list(answers)
        if not any(held):
            raise InputError("data.columns.answers: no question has an answer: there is nothing to learn")
        return {"longest": self.longest, "no_answer": () in held}

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], list[int]]:
        """Return ((begin, end), …) -> [begin, end, …]."""
        return lambda answer: [place for span in answer for place in span]

    def blank(self, example: Value) -> list[int]:
        """Return no answer."""
        return []

    def align(self, stored: Sequence[int], window: Window) -> list[int]:
        """Return the first and last token of an answer that the window shows whole, 0 and 0 for none; then `stored`."""
        begins, ends = (np.asarray(window.columns[name]) for name in ("begins", "ends"))
        shown = np.flatnonzero(ends > begins)
        for begin, end in zip(stored[::2], stored[1::2], strict=True):
            if len(shown) and begins[shown[0]] <= begin and end <= ends[shown[-1]]:
                held = shown[(ends[shown] > begin) & (begins[shown] < end)]
                if len(held):
                    return [int(held[0]), int(held[-1]), *stored]
        return [0, 0, *stored]

    def learnt(self, aligned: Sequence[Any], row: int) -> Sequence[int]:
        """Return the windows with an answer and `without` others, a choice by row and window alone."""
        others = [place for place, (first, last, *_) in enumerate(aligned) if not last]
        if self.without is None or len(others) <= self.without:
            return range(len(aligned))
        drawn = sorted(others, key=lambda place: hashlib.sha256(f"{row}/{place}".encode()).digest())
        left_out = set(drawn[self.without :])
        return [place for place in range(len(aligned)) if place not in left_out]
