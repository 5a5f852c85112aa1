"""What the formats of lines share: lines, and rows of cells under column names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import Field

from stages.core.errors import InputError
from stages.formats.cells import NoColumn
from stages.formats.content import LONGEST, decoded

NO_HEADER = "; a file without header needs the names of its columns in data.format.header"
RETURNS = r"found a carriage return alone; if these are its line ends, mend them: tr '\r' '\n' < OLD > NEW"
_DELIMITERS = ";\t|,"  # those that a line may seem to have
_LONE_RETURN = re.compile(r"\r(?!\n)")

Records = Iterator[tuple[int, list[str]]]  # (line, cells)
Header = Annotated[
    bool | tuple[str, ...],
    Field(description="true: names on the first line; false: no header, columns are named 1, 2, …; or their names"),
]


def lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    r"""Yield (line number from 1, line without its `\n`) in constant memory; a byte order mark is dropped.

    Only `\n` ends a line: the other line ends of Unicode are letters like any other. Raises InputError naming file and
    line for text that is not in `encoding`, a NUL character, a line beyond LONGEST characters, and an empty file.
    """
    number, held = 1, 0
    rest: list[str] = []  # the pieces, `held` characters, of a line that began in an earlier block
    for text in decoded(path, encoding):
        if "\0" in text:
            at = number + text.count("\n", 0, text.index("\0"))
            raise InputError(f"{path}, line {at}: found a NUL character, wanted text: is this a binary file?")
        first, *more = text.split("\n")
        rest.append(first)
        held += len(first)
        if held > LONGEST:
            raise InputError(f"{path}, line {number}: longer than {LONGEST:,} characters, the most a line may have")
        if more:
            yield number, "".join(rest)
            yield from enumerate(more[:-1], number + 1)
            number += len(more)
            rest, held = [more[-1]], len(more[-1])
    if held:
        yield number, "".join(rest)


def read_header(path: Path, records: Records, given: bool | tuple[str, ...]) -> tuple[list[str], Records]:
    """Return the column names and the records of rows; `given` is a format's `header`.

    Raises InputError for a file without any line, or with the line ends of old Macs.
    """
    if isinstance(given, tuple):
        return list(given), records
    first = next(records, None)
    if first is None:
        raise InputError(f"{path}: holds nothing but blank lines")
    refuse_returns(path, first[1])
    if given:
        return first[1], records
    return [str(n + 1) for n in range(len(first[1]))], chain([first], records)


def refuse_returns(path: Path, first: Sequence[str]) -> None:
    """Raise InputError if the cells of the first line hold a carriage return alone: the line end of old Macs."""
    if any(map(_LONE_RETURN.search, first)):
        raise InputError(f"{path}, line 1: {RETURNS}")


def pick(path: Path, names: Sequence[str], records: Records, columns: Sequence[str], remedy: str = "") -> Records:
    """Yield (line, the cells of `columns`) of every record.

    Raises InputError for a column that is not among `names` or stands there twice, and for a record with another number
    of cells than `names`. Where another delimiter seems to be the reason, the message ends with `remedy`.
    """
    hint = divided(names, remedy) or (NO_HEADER if remedy else "")
    places = [position(path, names, column, hint) for column in columns]
    for line, cells in records:
        if len(cells) != len(names):
            found = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            wanted = ", ".join(repr(n) for n in names)[:120]
            hint = divided(cells, remedy)
            raise InputError(f"{path}, line {line}: found {found}, wanted {len(names)}: {wanted}{hint}")
        yield line, [cells[place] for place in places]


def divided(cells: Sequence[str], remedy: str) -> str:
    """Return what to do about a line that is one cell because it has another delimiter, "" where nothing says so."""
    for other in _DELIMITERS if remedy and len(cells) == 1 else "":
        if other in cells[0]:
            return f"; the line seems to be divided by {other!r}: {remedy}"
    return ""


def position(path: Path, names: Sequence[str], column: str, hint: str = "") -> int:
    """Return where `column` stands in `names`. Raises InputError when it is missing or stands there twice."""
    match [place for place, name in enumerate(names) if name == column]:
        case [place]:
            return place
        case []:
            raise NoColumn(str(path), column, (name[:60] for name in names), hint)
        case _:
            raise InputError(f"{path}: two columns are named {column!r}")
