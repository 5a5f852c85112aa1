"""Comma-separated values with quoting (RFC 4180)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from stages.core.errors import InputError
from stages.formats.text import LONGEST, NO_HEADER, Header, Records, lines, pick, read_header


@dataclass(frozen=True)
class Csv:
    r"""One record a row; a cell in `"` may hold the delimiter, line ends and `""`; blank lines are no rows."""

    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$', description="one character between columns")] = ","
    header: Header = True
    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Records:
        """See stages.interfaces.Format; the line of a record is its first."""
        names, rows = read_header(path, self._records(path, encoding), self.header)
        yield from pick(path, names, rows, columns, NO_HEADER)

    def _records(self, path: Path, encoding: str) -> Records:
        csv.field_size_limit(LONGEST)  # of the whole process; bounds the memory that an unclosed quote can take
        reader = csv.reader((line + "\n" for _, line in lines(path, encoding)), delimiter=self.delimiter, strict=True)
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise InputError(f"{path}, line {number}: not CSV: {_reason(str(error))}") from None
            if cells is None:
                return
            if cells:
                yield number, cells


def _reason(error: str) -> str:
    """Return what the csv module found, in words that fit a file we opened."""
    if error.startswith("unexpected end"):
        return "a quote that opens here is never closed"
    if error.startswith("new-line character"):
        return "a carriage return stands within an unquoted cell"
    if error.startswith("field larger"):
        return f"a cell of more than {LONGEST:,} characters begins here: is a quote never closed?"
    return error
