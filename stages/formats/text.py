"""What the formats of lines share: decoding in constant memory, and rows of cells under column names."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from stages.core.errors import InputError, nearest

LONGEST = 10_000_000  # characters of one line, and of one quoted CSV field: more is no row of text
NO_HEADER = "; a file without header needs the names of its columns in data.format.header"
_COMMON = ("utf-8", "utf-16", "ascii", "latin-1", "cp1252", "iso8859-2", "iso8859-15", "koi8-r", "gb18030", "shift-jis")
_BLOCK = 1 << 18  # bytes


def _codec(name: str) -> str:
    """Return `name` if it is a text encoding that can be read piece by piece. Raises ValueError otherwise."""
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        raise ValueError(f"unknown text encoding {name!r}{nearest(name, _COMMON)}") from None
    return name


Encoding = Annotated[str, AfterValidator(_codec)]  # the type of `data.encoding`
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
    for text in _decoded(path, encoding):
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


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    """Yield the file's text piece by piece, without a byte order mark."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line, start = 1, True
    try:
        with path.open("rb") as file:
            while True:
                block = file.read(_BLOCK)
                if start and not block:
                    raise InputError(f"{path}: empty file")
                try:
                    text = decoder.decode(block, final=not block)
                except UnicodeError as error:
                    raise InputError(_undecodable(path, encoding, line, file.tell(), error)) from None
                line += text.count("\n")
                yield text.removeprefix("\ufeff") if start else text
                start = False
                if not block:
                    return
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _undecodable(path: Path, encoding: str, line: int, end: int, error: UnicodeError) -> str:
    """Say where the bytes stop being `encoding`: `line` is the block's first, `end` the block's end in the file."""
    where, found = f"{path}, line {line} or later", "bytes"
    if isinstance(error, UnicodeDecodeError):
        good = error.object[: error.start].decode(encoding, "ignore")
        where = f"{path}, line {line + good.count(chr(10))}, byte {end - len(error.object) + error.start}"
        found = f"byte {error.object[error.start]:#04x}"
    return f"{where}: found {found}, which cannot be {encoding}, the encoding declared"


def read_header(path: Path, records: Records, given: bool | tuple[str, ...]) -> tuple[list[str], Records]:
    """Return the column names and the records of rows; `given` is a format's `header`.

    Raises InputError for a file without any line.
    """
    if isinstance(given, tuple):
        return list(given), records
    first = next(records, None)
    if first is None:
        raise InputError(f"{path}: holds nothing but blank lines")
    if given:
        return first[1], records
    return [str(n + 1) for n in range(len(first[1]))], chain([first], records)


def pick(path: Path, names: Sequence[str], records: Records, columns: Sequence[str], hint: str = "") -> Records:
    """Yield (line, the cells of `columns`) of every record.

    Raises InputError for a column that is not among `names` (the message ends with `hint`) or stands there twice, and
    for a record with another number of cells than `names`.
    """
    places = [position(path, names, column, hint) for column in columns]
    for line, cells in records:
        if len(cells) != len(names):
            found = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            wanted = ", ".join(repr(n) for n in names)
            raise InputError(f"{path}, line {line}: found {found}, wanted {len(names)}: {wanted[:120]}")
        yield line, [cells[place] for place in places]


def position(path: Path, names: Sequence[str], column: str, hint: str = "") -> int:
    """Return where `column` stands in `names`. Raises InputError when it is missing or stands there twice."""
    match [place for place, name in enumerate(names) if name == column]:
        case [place]:
            return place
        case []:
            raise InputError(f"{path}: no column {column!r}{nearest(column, (n[:60] for n in names))}{hint}")
        case _:
            raise InputError(f"{path}: two columns are named {column!r}")
