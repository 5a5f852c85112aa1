"""A number: a score, a rating, a degree of likeness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from stages.core.errors import InputError
from stages.interfaces import Field, Value
from stages.targets.answers import Plain


@dataclass(frozen=True)
class Number(Plain):
    """One number an example, learnt by its squared error."""

    fields: ClassVar[Sequence[Field]] = (Field("number", "number"),)
    stored: ClassVar[str] = "number"
    form: ClassVar[str] = "number"

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return {"low": …, "high": …}. Raises InputError when all numbers are the same."""
        numbers = [number for (number,) in answers]
        if min(numbers) == max(numbers):
            raise InputError(f"data.columns.number: every number is {numbers[0]}: there is nothing to learn")
        return {"low": min(numbers), "high": max(numbers)}

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], float]:
        """Return (number,) -> number."""
        return lambda answer: float(answer[0])

    def blank(self, example: Value) -> float:
        """Return 0."""
        return 0.0
