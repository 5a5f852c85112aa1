"""What the formats with typed values share: values as text, and columns within columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stages.core.errors import InputError, nearest
from stages.interfaces import Cell

_EXACT = 1 << 53  # beyond it, a float is no longer one whole number
_DEPTH = 3  # objects within objects whose keys a message lists


class NoColumn(InputError):
    """A column that is not there: its message ends with the nearest of the `known` ones and a hint."""

    def __init__(self, where: str, column: str, known: Iterable[str], hint: str = "") -> None:
        super().__init__(f"{where}: no column {column!r}{nearest(column, known)}{hint}")
        self.column = column


def cell_of(value: Any, where: str, column: str) -> Cell:
    """Return a text, whole number, boolean or missing value as text; what is missing is the empty text.

    A whole number may be a float (1.0 is "1"), and NaN is missing: so tables with gaps come out of pandas. Another
    number, which has no one spelling, is a float, and a list is one of texts or of objects. Raises InputError
    for anything else.
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if value != value:
            return ""
        case float() if abs(value) <= _EXACT and value.is_integer():
            return str(int(value))
        case float():
            return value
        case list() if value and all(isinstance(item, dict) for item in value):
            return tuple(value)
        case list():
            return [_text(item, where, column) for item in value]
        case _:
            raise _refusal(f"a {type(value).__name__}", where, column)


def _text(item: Any, where: str, column: str) -> str:
    cell = cell_of(item, where, column)
    if not isinstance(cell, str):
        raise _refusal(f"a list that holds {item!r}"[:80], where, column)
    return cell


def _refusal(found: str, where: str, column: str) -> InputError:
    return InputError(f"{where}: found {found} in column {column!r}, wanted text, a whole number, a boolean or null")


def reach(row: Mapping[str, Any], column: str) -> Any:
    """Return the value of `column`: where no column has that very name, a dot leads into an object.

    What lies within a null is null. Raises KeyError when there is no such column.
    """
    if column in row:
        return row[column]
    for at in (place for place, letter in enumerate(column) if letter == "."):
        inner = row.get(column[:at], "")
        if inner is None:
            return None
        if isinstance(inner, dict):
            try:
                return reach(inner, column[at + 1 :])
            except KeyError:
                continue
    raise KeyError(column)


def known(row: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the names of the columns of `row`, those within objects too."""
    for key, value in row.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict) and prefix.count(".") < _DEPTH:
            yield from known(value, f"{prefix}{key}.")


def cells_of(row: Mapping[str, Any], columns: Sequence[str], where: str) -> list[Cell]:
    """Return the cells of `columns`. Raises InputError for a column that is missing or holds what is no cell."""
    cells: list[Cell] = []
    for column in columns:
        try:
            value = reach(row, column)
        except KeyError:
            raise NoColumn(where, column, known(row)) from None
        cells.append(cell_of(value, where, column))
    return cells


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has the key {next(n for n in names if names.count(n) > 1)!r} twice")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_unique)  # raises ValueError and RecursionError


def reason(error: Exception) -> str:
    """Return what DECODER found, in words that fit a file."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
