"""JSON Lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stages.core.errors import InputError
from stages.formats.cells import DECODER, cells_of, reason
from stages.formats.text import lines
from stages.interfaces import Cell

_ARRAY = "; a file that is one array of objects is format json"


@dataclass(frozen=True)
class Jsonl:
    """One JSON object a line, its keys the columns; a value is text, a whole number, a boolean or null."""

    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """See stages.interfaces.Format."""
        for number, line in lines(path, encoding):
            if line and not line.isspace():
                where = f"{path}, line {number}"
                yield number, cells_of(_object(line, where), columns, where)


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        place = f"column {error.colno}: " if isinstance(error, json.JSONDecodeError) else ""
        several = _ARRAY if line.lstrip().startswith("[") else ""
        raise InputError(f"{where}: not JSON: {place}{reason(error)}{several}") from None
    if not isinstance(row, dict):
        several = _ARRAY if isinstance(row, list) else ""
        raise InputError(f"{where}: found {line[:60]!r}, wanted a JSON object{several}")
    return row
