"""Sentences as CoNLL writes them: a word and its columns on a line, an empty line after each sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stages.core.errors import InputError
from stages.formats.cells import NoColumn
from stages.formats.text import lines, refuse_returns
from stages.interfaces import Cell

DOCUMENT = "-DOCSTART-"  # begins a line that is no word of any sentence
MOST = 100_000  # words of a sentence


@dataclass(frozen=True)
class Conll:
    """A word a line, white space or a tab between its columns; a row is a sentence, each of its cells a list."""

    columns: Annotated[tuple[str, ...], Field(min_length=1, description="names of the columns, in their order")]
    separator: Annotated[
        Literal["blank", "tab"], Field(description="blank: any white space; tab: a word may hold blanks")
    ] = "blank"
    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """See stages.interfaces.Format; the line of a sentence is that of its first word."""
        for column in columns:
            if column not in self.columns:
                raise NoColumn(str(path), column, self.columns, "; data.format.columns names them")
        at = [self.columns.index(column) for column in columns]
        found = False
        for number, words in self._sentences(path, encoding):
            found = True
            yield number, [[word[place] for word in words] for place in at]
        if not found:
            raise InputError(f"{path}: holds no sentence")

    def _sentences(self, path: Path, encoding: str) -> Iterator[tuple[int, list[list[str]]]]:
        held: list[list[str]] = []
        first = 0
        for number, line in lines(path, encoding):
            if number == 1:
                refuse_returns(path, [line.removesuffix("\r")])
            if line.isspace() or not line:
                if held:
                    yield first, held
                held = []
            elif not line.startswith(DOCUMENT):
                first = first if held else number
                held.append(self._word(line.removesuffix("\r"), f"{path}, line {number}"))
                if len(held) > MOST:
                    raise InputError(f"{path}, line {first}: a sentence of more than {MOST:,} words: is no line empty?")
        if held:
            yield first, held

    def _word(self, line: str, where: str) -> list[str]:
        cells = line.split("\t") if self.separator == "tab" else line.split()
        if len(cells) != len(self.columns):
            raise InputError(
                f"{where}: {len(cells)} columns, wanted {len(self.columns)}: {', '.join(self.columns)} "
                f"(data.format.columns; separator {self.separator})"
            )
        return cells
