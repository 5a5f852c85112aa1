"""Cells of a raw file to what a column holds: a text, words, a number, a list of either."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

from stages.core.errors import InputError
from stages.interfaces import Cell, Kind

_SEEN = re.compile("[!-~]")  # the most common of characters that are seen
_UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")
_IGNORED = re.compile(  # Default_Ignorable_Code_Point but for the categories above (DerivedCoreProperties.txt)
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def value(cell: Cell, kind: Kind, where: str, column: str) -> Any:
    """Return what a column of `kind` holds: a str, float, or tuple of either; None when nothing is seen of it.

    Texts and words are in Unicode NFC without white space at their ends; words in one text are apart by white space.
    Verbatim texts, and those of a list, are as they are; a list may be empty. Raises InputError, which begins with
    `where`, for what is not of that kind.
    """
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
        return None
    if kind == "number":
        return _number(text, where, column)
    return cell if kind == "verbatim" else text


def _labels(cell: Cell, where: str, column: str) -> str | tuple[str, ...]:
    if isinstance(cell, list):
        return tuple(normalised(label, where) for label in cell)
    if isinstance(cell, float):
        raise InputError(f"{where}: found the number {cell!r} in column {column!r}, wanted labels")
    text = normalised(cell, where)
    return "" if blank(text) else text


def _list(cell: Cell, kind: Kind, where: str, column: str) -> tuple[str, ...] | tuple[float, ...]:
    if not isinstance(cell, list):
        raise InputError(f"{where}: found {cell!r:.60} in column {column!r}, wanted a list")
    for item in cell:
        normalised(item, where)
    return tuple(_number(item, where, column) for item in cell) if kind == "numbers" else tuple(cell)


def _words(cell: Cell, where: str, column: str) -> tuple[str, ...] | None:
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


def blank(text: str) -> bool:
    """Tell whether nothing of a text is seen: such a text or label is empty.

    Every character of it is a separator, control or format character (Unicode's categories Z*, Cc, Cf: zero-width
    spaces and joiners among them) or one that may be ignored by Unicode's Default_Ignorable_Code_Point.
    """
    return not _SEEN.search(text) and all(unicodedata.category(c) in _UNSEEN or _IGNORED.match(c) for c in text)


def normalised(cell: str, where: str) -> str:
    """Return a cell in Unicode NFC without white space at its ends. Raises InputError for what is no text."""
    if "\0" in cell:
        raise InputError(f"{where}: found a NUL character, wanted text")
    if cell.isascii():
        return cell.strip()
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{where}: found half a surrogate pair, wanted Unicode text") from None
    return unicodedata.normalize("NFC", cell).strip()
