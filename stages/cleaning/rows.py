"""Rows as numbers: examples and answers are held once, whatever the number of rows that have them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.interfaces import Value

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


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
        return replace(
            self, ids=self.ids[mask], lines=self.lines[mask], examples=self.examples[mask], answers=self.answers[mask],
            asked=self.asked[mask],
        )  # fmt: skip

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
