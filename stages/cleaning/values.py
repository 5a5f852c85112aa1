"""Cells of a raw file to what a column holds: a text, words, a number, a list of either."""

from __future__ import annotations

import math
from typing import Any

from stages.cleaning.texts import blank, normalised
from stages.cleaning.turns import opening, turns
from stages.core.errors import InputError
from stages.interfaces import Cell, Kind

Single = str | float | list[str]


def value(cell: Cell, kind: Kind, where: str, column: str) -> Any:
    """Return what a column of `kind` holds: a str, float, or tuple of either; None when nothing is seen of it.

    Texts and words are in Unicode NFC without white space at their ends; words in one text are apart by white space.
    Verbatim texts, and those of a list, are as they are; a list may be empty. Raises InputError, which begins with
    `where`, for what is not of that kind.
    """
    if kind in ("turns", "opening"):
        return (turns if kind == "turns" else opening)(cell, where, column)
    if isinstance(cell, tuple):
        raise InputError(f"{where}: found a list of objects in column {column!r}, which are turns of input chat alone")
    if kind == "words":
        return _words(cell, where, column)
    if kind == "labels":
        return _labels(cell, where, column)
    if kind in ("texts", "numbers"):
        return _list(cell, kind, where, column)
    if kind == "number" and isinstance(cell, float):
        return _finite(cell, where, column)
    if not isinstance(cell, str):
        found = "a list" if isinstance(cell, list) else f"the number {cell!r}"
        raise InputError(f"{where}: found {found} in column {column!r}, wanted text, a whole number, a boolean or null")
    text = normalised(cell, where)
    if blank(text):
        return "" if kind == "optional" else None
    if kind == "number":
        return _number(text, where, column)
    return cell if kind in ("verbatim", "optional", "response") else text


def _labels(cell: Single, where: str, column: str) -> str | tuple[str, ...]:
    if isinstance(cell, list):
        return tuple(normalised(label, where) for label in cell)
    if isinstance(cell, float):
        raise InputError(f"{where}: found the number {cell!r} in column {column!r}, wanted labels")
    text = normalised(cell, where)
    return "" if blank(text) else text


def _list(cell: Single, kind: Kind, where: str, column: str) -> tuple[str, ...] | tuple[float, ...]:
    if not isinstance(cell, list):
        raise InputError(f"{where}: found {cell!r:.60} in column {column!r}, wanted a list")
    for item in cell:
        normalised(item, where)
    return tuple(_number(item, where, column) for item in cell) if kind == "numbers" else tuple(cell)


def _words(cell: Single, where: str, column: str) -> tuple[str, ...] | None:
    if isinstance(cell, float):
        raise InputError(f"{where}: found the number {cell!r} in column {column!r}, wanted words")
    if isinstance(cell, str):
        return tuple(normalised(cell, where).split()) or None
    words = tuple(normalised(word, where) for word in cell)
    for number, word in enumerate(words, 1):
        if blank(word):
            raise InputError(f"{where}: column {column!r}: word {number} is empty")
    return words or None


def _number(text: str, where: str, column: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"{where}: found {text[:60]!r} in column {column!r}, wanted a number") from None
    return _finite(number, where, column)


def _finite(number: float, where: str, column: str) -> float:
    if not math.isfinite(number):
        raise InputError(f"{where}: found {number} in column {column!r}, wanted a finite number")
    return number + 0.0  # -0.0 is 0.0
