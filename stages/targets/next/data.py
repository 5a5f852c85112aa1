"""The token that follows, at each token or at those of responses: language modelling, supervised fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from stages.core.errors import InputError
from stages.interfaces import Encoder, Field, Unit, Value, Window
from stages.targets.answers import Plain


@dataclass(frozen=True)
class Next(Plain):
    """Each token from those before it; of a conversation those of the responses alone."""

    fields: ClassVar[Sequence[Field]] = ()
    stored: ClassVar[str] = "counts"
    form: ClassVar[str] = "indices"
    generates: ClassVar[bool] = True
    units: ClassVar[Sequence[Unit]] = ("example", "turn")

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return nothing: the vocabulary is the model's."""
        return {}

    def completed(self, space: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Return the space with the tokens that end a text."""
        return {**space, "ends": list(encoder.ends)}

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], None]:
        """Return () -> None: what is learnt is in the example."""
        return lambda answer: None

    def blank(self, example: Value) -> list[int]:
        """Return []: that nothing need be learnt."""
        return []

    def align(self, stored: list[int] | None, window: Window) -> list[int]:
        """Return 1 for each token that is learnt, else 0: nothing is before the first.

        Raises InputError for a conversation without any.
        """
        if not window.ids:
            return []
        counts = [1] * len(window.ids) if window.counts is None else list(window.counts)
        counts[0] = 0
        if stored is None and window.counts is not None and not any(counts):
            raise InputError("input: a row without a response has nothing to learn: leave it out")
        return counts
