"""What the formats with typed values share: a value as text."""

from __future__ import annotations

from typing import Any

from stages.core.errors import InputError


def text_of(value: Any, where: str, column: str) -> str:
    """Return a text, integer, boolean or missing value as text; what is missing is the empty text.

    Raises InputError for anything else: a fraction has no one spelling, and a list or object is no text.
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
        case _:
            found = "a fraction" if isinstance(value, float) else f"a {type(value).__name__}"
            raise InputError(f"{where}: found {found} in column {column!r}, wanted text, an integer, a boolean or null")
