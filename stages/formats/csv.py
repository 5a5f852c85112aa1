"""Comma-separated values with quoting (RFC 4180)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from stages.core.errors import InputError
from stages.formats.content import LONGEST
from stages.formats.text import RETURNS, Header, Records, lines, pick, read_header

_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')
_FORBIDDEN = re.compile(r'["\r\n]')  # in a cell without quotes
_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?\r?')  # the first line by which Excel states the delimiter


@dataclass(frozen=True)
class Csv:
    r"""One record a row; a cell in `"` may hold the delimiter, line ends and `""`; blank lines are no rows.

    A first line `sep=;` is no row: it states the delimiter of the file, whatever `delimiter` is.
    """

    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$', description="one character between columns")] = ","
    header: Header = True
    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Records:
        """See stages.interfaces.Format; the line of a record is its first."""
        names, rows = read_header(path, self._records(path, encoding), self.header)
        yield from pick(path, names, rows, columns, "set data.format.delimiter")

    def _records(self, path: Path, encoding: str) -> Records:
        delimiter = self.delimiter
        for number, text in _joined(lines(path, encoding)):
            if number == 1 and (stated := _SEPARATOR.fullmatch(text)):
                delimiter = stated[1]
            elif record := text.removesuffix("\r"):
                try:
                    yield number, _cells(record, delimiter)
                except _Fault as fault:
                    line = number + record.count("\n", 0, fault.at)
                    raise InputError(f"{path}, line {line}: not CSV: {fault}") from None


def _joined(numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield (first line, text) of every record: it has an even number of quotes, since two stand for one in a cell."""
    for number, line in numbered:
        if line.count('"') % 2:
            parts, held, even = [line], len(line), False
            while not even and held <= LONGEST and (another := next(numbered, None)):
                parts.append(another[1])
                held += len(another[1]) + 1
                even = another[1].count('"') % 2 == 1
            line = "\n".join(parts)
        yield number, line


class _Fault(Exception):
    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at


def _cells(record: str, delimiter: str) -> list[str]:
    """Return the cells of a record. Raises _Fault with the place of what RFC 4180 forbids."""
    if not _FORBIDDEN.search(record):
        return record.split(delimiter)
    cells, at = [], 0
    while True:
        if record.startswith('"', at):
            quoted = _QUOTED.match(record, at)
            if not quoted:
                raise _Fault(at, _unclosed(len(record) - at))
            cells.append(quoted[1].replace('""', '"'))
            at = quoted.end()
        else:
            end = record.find(delimiter, at)
            cell = record[at : len(record) if end < 0 else end]
            if stray := _FORBIDDEN.search(cell):
                raise _Fault(at + stray.start(), _stray(cell, stray.start()))
            cells.append(cell)
            at += len(cell)
        if at == len(record):
            return cells
        if record[at] != delimiter:
            raise _Fault(at, f"found {record[at]!r} behind a closing quote, wanted {delimiter!r} or the line's end")
        at += 1


def _unclosed(length: int) -> str:
    if length > LONGEST:
        return f"a cell of more than {LONGEST:,} characters begins here: is a quote never closed?"
    return "a quote that opens here is never closed"


def _stray(cell: str, at: int) -> str:
    if cell[at] != '"':
        return RETURNS
    if cell[:at].isspace():
        return "a blank stands before an opening quote"
    return "a quote stands within a cell that has none around it; a file without quoting is format tsv"
