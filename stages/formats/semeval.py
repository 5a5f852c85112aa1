"""Sentences as SemEval-2010 task 8 writes them: a number and a sentence in quotes, its relation, a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.core.errors import InputError
from stages.formats.cells import NoColumn
from stages.formats.text import lines, refuse_returns
from stages.interfaces import Cell

COLUMNS = ("number", "sentence", "relation", "comment")
_SENTENCE = re.compile(r'([0-9]+)\t"(.*)"\s*')


@dataclass(frozen=True)
class Semeval:
    """Blocks of lines, an empty line after each: number, tab and sentence in quotes; relation; comment, if any."""

    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """See stages.interfaces.Format; columns are number, sentence, relation and comment.

        A file without relations, of sentences to be told, may leave out the empty lines.
        """
        for column in columns:
            if column not in COLUMNS:
                raise NoColumn(str(path), column, COLUMNS)
        at = [COLUMNS.index(column) for column in columns]
        found = False
        for number, cells in _blocks(path, encoding):
            found = True
            yield number, [cells[place] for place in at]
        if not found:
            raise InputError(f"{path}: holds no sentence")


def _blocks(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    held: list[str] = []
    first = 0
    for number, line in lines(path, encoding):
        if number == 1:
            refuse_returns(path, [line.removesuffix("\r")])
        text = line.strip()
        sentence = _SENTENCE.fullmatch(text)
        if sentence:
            if held:
                yield first, _whole(held)
            held, first = [sentence[1], sentence[2]], number
        elif text and len(held) not in (2, 3):
            wanted = "nothing more" if held else 'a number, a tab and a sentence in quotes: 1\t"…"'
            raise InputError(f"{path}, line {number}: found {text[:60]!r}, wanted {wanted}")
        elif text:
            held.append(text.removeprefix("Comment:").strip() if len(held) == 3 else text)
    if held:
        yield first, _whole(held)


def _whole(held: list[str]) -> list[str]:
    return [*held, *[""] * (len(COLUMNS) - len(held))]
