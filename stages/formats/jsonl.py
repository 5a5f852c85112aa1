"""JSON Lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from stages.core.errors import InputError, nearest
from stages.formats.cells import text_of
from stages.formats.text import lines


@dataclass(frozen=True)
class Jsonl:
    """One JSON object a line, its keys the columns; a value is text, an integer, a boolean or null."""

    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """See stages.interfaces.Format."""
        for number, line in lines(path, encoding):
            if not line or line.isspace():
                continue
            where = f"{path}, line {number}"
            row = _object(line, where)
            cells = []
            for column in columns:
                if column not in row:
                    raise InputError(f"{where}: no column {column!r}{nearest(column, row)}")
                cells.append(text_of(row[column], where, column))
            yield number, cells


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(f"{where}: not JSON: {reason}") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: found {line[:60]!r}, wanted a JSON object")
    return row
