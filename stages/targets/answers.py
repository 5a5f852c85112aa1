"""What the data sides of several targets share: one answer an example where nothing else is said, and labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from stages.interfaces import Encoder, Field, Unit, Value, Window
from stages.targets.names import ordered, refuse_unseen


@dataclass(frozen=True)
class Plain:
    """One answer an example, which says the same of every token; see stages.interfaces.Target."""

    units: ClassVar[Sequence[Unit]] = ("example",)
    by_token: ClassVar[bool] = False
    generates: ClassVar[bool] = False
    grouped: ClassVar[bool] = False

    def answer(self, example: Value, cells: Value, where: str) -> Value | None:
        """Return the cells as they are."""
        return cells

    def completed(self, space: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
        """Return the space as it is."""
        return space

    def align(self, stored: Any, window: Window) -> Any:
        """Return the answer as it is."""
        return stored

    def learnt(self, aligned: Sequence[Any], row: int) -> Sequence[int]:
        """Return all windows."""
        return range(len(aligned))


@dataclass(frozen=True)
class Label(Plain):
    """One label an example, of several."""

    fields: ClassVar[Sequence[Field]] = (Field("label", "text"),)
    stored: ClassVar[str] = "label"
    form: ClassVar[str] = "index"
    grouped: ClassVar[bool] = True

    def answer(self, example: Value, cells: Value, where: str) -> Value | None:
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
