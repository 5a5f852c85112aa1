"""The relation between two entities with its direction, Cause-Effect(e1,e2), or none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field as Key

from stages.core.errors import InputError
from stages.interfaces import Value
from stages.targets.answers import Label

_DIRECTED = re.compile(r"(.+)\((e1,e2|e2,e1)\)")


@dataclass(frozen=True)
class Relations(Label):
    """One relation an example with its direction, NAME(e1,e2) or NAME(e2,e1), or the label of none."""

    none: Annotated[str, Key(min_length=1, description="the label of examples without a relation")] = "Other"

    def answer(self, example: Value, cells: Value, where: str) -> Value | None:
        """Return (label,). Raises InputError for one that has no direction and is not that of none."""
        if cells[0] != self.none and not _DIRECTED.fullmatch(cells[0]):
            raise InputError(
                f"{where}: relation {cells[0][:60]!r}, wanted NAME(e1,e2), NAME(e2,e1) or {self.none!r} (target.none)"
            )
        return super().answer(example, cells, where)

    def space(self, answers: Iterable[Value]) -> dict[str, Any]:
        """Return {"labels": [...], "relations": [...]}: the relation of each label, "" for that of none.

        Raises InputError when there is no relation.
        """
        found = super().space(answers)
        directed = [_DIRECTED.fullmatch(label) for label in found["labels"]]
        if not any(directed):
            raise InputError(f"data.columns.label: every label is {self.none!r}: there is nothing to learn")
        return {**found, "relations": [match[1] if match else "" for match in directed]}
