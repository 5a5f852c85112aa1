"""Rows of a raw file as numbers: its examples and answers, each in its one form."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.cleaning.keeping import search
from stages.cleaning.rows import Codes, Numbers, Rows
from stages.cleaning.values import value
from stages.core.errors import InputError
from stages.interfaces import RESPONSES, Cell, Field, Format, Input, Target, Value


@dataclass(frozen=True)
class Reader:
    """How the rows of every split are read; the codes of examples and answers are shared by all splits."""

    format: Format
    encoding: str
    input: Input
    target: Target
    columns: Mapping[str, str]  # field of input or target -> column
    keep: tuple[str, str] | None  # (column, regular expression): only rows in whose cell it is found
    empty: str  # what is done with rows in which a field is empty: drop, error
    examples: Codes = field(default_factory=Codes)
    answers: Codes = field(default_factory=Codes)
    prompts: Codes = field(default_factory=Codes)

    def read(self, path: Path, only: tuple[str, str] | None = None) -> tuple[Rows, dict[str, int]]:
        """Return the rows of a file, and how many were `read`, not kept (`keep`), `empty`, or had an `answer` that
        the target leaves out.

        `only` (column, text): the others are none of this split's rows, and are not counted. Raises InputError naming
        file and line for whatever is wrong, and for a file without rows.
        """
        ids, lines, examples, answers, asked = (array("q") for _ in range(5))
        counts = {"read": 0, "keep": 0, "empty": 0}
        unanswered = 0
        fields = (*self.input.fields, *self.target.fields)
        for place, line, where, cells in self._kept(path, counts, only):
            values = [value(cells[self.columns[of.name]], of.kind, where, self.columns[of.name]) for of in fields]
            if None not in values:
                own = len(self.input.fields)
                example = self.input.example(tuple(values[:own]), where)
                answer = self.target.answer(example, tuple(values[own:]), where)
                if answer is None:
                    counts["answer"] = counts.get("answer", 0) + 1
                    continue
                ids.append(place)
                lines.append(line)
                examples.append(self.examples[example])
                answers.append(self.answers[answer])
                asked.append(self.asked(example))
            elif self.empty == "error":
                column = self.columns[fields[values.index(None)].name]
                raise InputError(f"{where}: column {column!r} is empty, and data.empty is error")
            else:
                counts["empty"] += 1
                unanswered += None in values[len(self.input.fields) :]
        _refuse_nothing(path, counts, unanswered, self.target.fields)
        return Rows(path, self.format.unit, *map(_numbers, (ids, lines, examples, answers, asked))), counts

    def asked(self, example: Value) -> int:
        """Return the code of an example but for a response in it: the last turn of several."""
        kinds = [field.kind for field in self.input.fields]
        if not set(kinds) & set(RESPONSES):
            return self.examples[example]
        parts = zip(example, kinds, strict=True)
        return self.prompts[tuple(of[:-1] if kind == "turns" else of for of, kind in parts if kind != "response")]

    def _kept(
        self, path: Path, counts: dict[str, int], only: tuple[str, str] | None
    ) -> Iterator[tuple[int, int, str, dict[str, Cell]]]:
        """Yield (place in the file, line, where it is, cell of each column) of the rows that `keep` lets pass."""
        column, pattern = self.keep or ("", "")
        others = [column] * (self.keep is not None) + ([only[0]] if only else [])
        columns = list(dict.fromkeys([*self.columns.values(), *others]))
        with search(pattern) if self.keep else nullcontext(_any) as found:
            for place, (line, row) in enumerate(self.format.rows(path, self.encoding, columns)):
                where = f"{path}, {self.format.unit} {line}"
                cells = dict(zip(columns, row, strict=True))
                if only and _text(cells[only[0]], where, only[0]) != only[1]:
                    continue
                counts["read"] += 1
                if not self.keep or found(_text(cells[column], where, column), where):
                    yield place, line, where, cells
                else:
                    counts["keep"] += 1


def _any(cell: str, where: str) -> bool:
    return True


def _text(cell: Cell, where: str, column: str) -> str:
    return str(value(" ".join(cell) if isinstance(cell, list) else cell, "text", where, column) or "")


def _refuse_nothing(path: Path, counts: dict[str, int], unanswered: int, answer: Sequence[Field]) -> None:
    if not counts["read"]:
        raise InputError(f"{path}: no rows")
    lost = sum(counts.values()) - counts["read"]
    if counts["read"] == lost:
        names = ", ".join(of.name for of in answer)
        hint = f"; none has a {names}: rows without are for python -m stages.predict"
        raise InputError(
            f"{path}: none of its {counts['read']} rows is left: {counts['keep']} do not match data.keep, "
            f"{counts['empty']} have an empty field{hint if unanswered == counts['empty'] > 0 else ''}"
            f"{f', {wrong} an answer that is left out' if (wrong := counts.get('answer', 0)) else ''}"
        )


def _numbers(values: array[int]) -> Numbers:
    return np.array(values, dtype=np.int64)
