"""JSON: one array of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stages.core.errors import InputError
from stages.formats.cells import DECODER, cells_of, reason
from stages.formats.content import LONGEST, decoded
from stages.interfaces import Cell

_TOKEN = 20  # characters, more than any that a piece can cut and the parser then calls wrong
_BLANK = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Json:
    """One JSON array of objects, each a row, their keys the columns; a value is as in format jsonl."""

    unit: ClassVar[str] = "row"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """See stages.interfaces.Format; rows are counted from 1."""
        for number, row in enumerate(_objects(_Content(path, decoded(path, encoding))), 1):
            yield number, cells_of(row, columns, f"{path}, row {number}")


class _Content:
    """What of a file was read and is still to be parsed: at most a row and a piece."""

    def __init__(self, path: Path, pieces: Iterator[str]) -> None:
        self.path, self.pieces = path, pieces
        self.text, self.at = "", 0  # the next character to parse is text[at]
        self.line, self.number = 1, 0  # the line of text[0]; the rows that were parsed

    def more(self) -> bool:
        """Drop what was parsed and read another piece; return whether there was one."""
        piece = next(self.pieces, None)
        self.line += self.text.count("\n", 0, self.at)
        self.text, self.at = self.text[self.at :] + (piece or ""), 0
        return piece is not None

    def symbol(self) -> str:
        """Return the next character that is not blank, "" at the end of the file."""
        while True:
            match = _BLANK.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def row(self) -> dict[str, Any]:
        """Return the object that begins here. Raises InputError for what is none."""
        if self.symbol() != "{":
            raise self.wrong("a JSON object")
        while True:
            try:
                row, self.at = DECODER.raw_decode(self.text, self.at)
                self.number += 1
                return dict(row)
            except (ValueError, RecursionError) as error:
                self._go_on(error)

    def _go_on(self, error: Exception) -> None:
        """Read another piece if a row may have been cut by the end of the last. Raises InputError otherwise."""
        if not isinstance(error, json.JSONDecodeError):
            raise self.fault(reason(error)) from None
        place = error.pos - self.at
        cut = error.msg.startswith("Unterminated string") or len(self.text) - error.pos < _TOKEN
        if cut and len(self.text) - self.at > LONGEST:
            raise self.fault(
                f"a row of more than {LONGEST:,} characters begins here: is a text never closed?"
            ) from None
        if not (cut and self.more()):
            self.at += place
            raise self.fault(reason(error)) from None

    def fault(self, what: str) -> InputError:
        """Return the error that names the place of the next character."""
        line = self.line + self.text.count("\n", 0, self.at)
        return InputError(f"{self.path}, line {line}, behind row {self.number}: not JSON: {what}")

    def wrong(self, wanted: str) -> InputError:
        """Return the error that says what the next character is, and what is wanted."""
        found = repr(self.symbol()) if self.symbol() else "the end of the file"
        return self.fault(f"found {found}, wanted {wanted}")


def _objects(content: _Content) -> Iterator[dict[str, Any]]:
    if content.symbol() != "[":
        raise content.wrong("'[': an array of objects; a file of one object a line is format jsonl")
    content.at += 1
    closed = content.symbol() == "]"
    while not closed:
        yield content.row()
        if content.symbol() not in (",", "]"):
            raise content.wrong("',' or ']'")
        closed = content.symbol() == "]"
        content.at += not closed
    content.at += 1
    if content.symbol():
        raise content.wrong("nothing behind the array")
