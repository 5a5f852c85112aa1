"""One class of several: the label in the data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from stages.interfaces import Field, Value, Window
from stages.targets.labels import ordered, refuse_unseen


@dataclass(frozen=True)
class Classes:
    """One label an example, of several."""

    fields: ClassVar[Sequence[Field]] = (Field("label", "text"),)
    stored: ClassVar[str] = "label"
    form: ClassVar[str] = "index"
    by_word: ClassVar[bool] = False
    grouped: ClassVar[bool] = True

    def answer(self, example: Value, cells: Value, where: str) -> Value:
        """Return (label,). Raises InputError for one with characters that would change what is shown."""
        refuse_unseen(cells[0], where)
        return cells

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return {"labels": [...]}: by value when all are whole numbers, else by code point."""
        return {"labels": ordered(label for (label,) in answers)}

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], int]:
        """Return (label,) -> class index."""
        indices = {label: index for index, label in enumerate(space["labels"])}
        return lambda answer: indices[answer[0]]

    def blank(self, example: Value) -> int:
        """Return the first class."""
        return 0

    def align(self, stored: int, window: Window) -> int:
        """Return the class index."""
        return stored
