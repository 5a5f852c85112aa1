"""Rows as numbers: examples and answers are held once, whatever the number of rows that have them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.interfaces import Value

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]
ARRAYS = ("ids", "lines", "examples", "answers", "asked")  # of Rows


class Codes(dict[Value, int]):
    """Values numbered in the order in which they are first looked up; iterates in that order."""

    def __missing__(self, value: Value) -> int:
        self[value] = len(self)
        return self[value]


@dataclass(frozen=True)
class Rows:
    """Rows of one file in its order; every array is (rows,)."""

    path: Path
    unit: str  # what `lines` counts, in messages: line, row or file
    ids: Numbers  # position among all rows of the file, from 0
    lines: Numbers  # where in the file, from 1
    examples: Numbers  # code of the example: equal in all splits for equal examples
    answers: Numbers  # code of the answer, likewise
    asked: Numbers  # code of the example but for a response in it, likewise: what no two splits may share

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, mask: Mask) -> Rows:
        """Return the rows where `mask` (rows,) is true, in their order."""
        taken: dict[str, Any] = {name: getattr(self, name)[mask] for name in ARRAYS}
        return replace(self, **taken)

    def joined(self, others: Rows) -> Rows:
        """Return these rows and then `others`, of the same file."""
        both: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in ARRAYS}
        return replace(self, **both)

    def where(self, mask: Mask) -> str:
        """Name the first row where `mask` (rows,) is true: file and line."""
        return f"{self.path}, {self.unit} {self.lines[int(np.argmax(mask))]}"


@dataclass
class Splits:
    """The rows of each split, and how many were dropped from it for which reason."""

    rows: dict[str, Rows] = field(default_factory=dict)
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)

    def narrow(self, split: str, rows: Rows, reason: str) -> None:
        """Replace the rows of a split by some of them, and count the others."""
        counts = self.dropped.setdefault(split, {})
        counts[reason] = counts.get(reason, 0) + len(self.rows[split]) - len(rows)
        self.rows[split] = rows
