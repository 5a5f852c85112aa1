"""Any number of labels an example, of several: none, one or more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field as Key

from stages.core.errors import InputError
from stages.interfaces import Field, Value
from stages.targets.answers import Plain
from stages.targets.names import ordered, refuse_unseen

Threshold = Annotated[float, Key(gt=0, lt=1)]


@dataclass(frozen=True)
class Labels(Plain):
    """Any number of labels an example; one is predicted where its probability reaches its threshold."""

    separator: Annotated[str, Key(min_length=1)] | None = None  # between the labels of a cell; null: a cell is a list
    # A number in (0, 1); common: the one with the best micro F1 of the validation rows; each: for each label its best.
    threshold: Threshold | Literal["common", "each"] = 0.5
    fields: ClassVar[Sequence[Field]] = (Field("labels", "labels"),)
    stored: ClassVar[str] = "labels"
    form: ClassVar[str] = "indices"

    def answer(self, example: Value, cells: Value, where: str) -> Value | None:
        """Return (labels,), each once, in their order. Raises InputError for a text that nothing says how to cut."""
        (held,) = cells
        if isinstance(held, str):
            if self.separator is None and held:
                raise InputError(
                    f"{where}: labels in one text, {held[:60]!r}, wanted a list: or say in target.separator what "
                    "stands between them"
                )
            held = [part.strip() for part in held.split(self.separator)] if held else []
        for label in held:
            if not label:
                raise InputError(f"{where}: an empty label, wanted one on each side of {self.separator!r}")
            refuse_unseen(label, where)
        return (tuple(ordered(set(held))),)

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return {"labels": [...], "threshold": …}. Raises InputError when no row has a label."""
        labels = ordered({label for (held,) in answers for label in held})
        if not labels:
            raise InputError("data.columns.labels: no row has a label: there is nothing to learn")
        return {"labels": labels, "threshold": self.threshold}

    def coder(self, space: Mapping[str, Any]) -> Callable[[Value], list[int]]:
        """Return (labels,) -> label indices, ascending."""
        indices = {label: index for index, label in enumerate(space["labels"])}
        return lambda answer: sorted(indices[label] for label in answer[0])

    def blank(self, example: Value) -> list[int]:
        """Return no label."""
        return []
