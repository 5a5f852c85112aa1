"""Turns of a conversation: objects of a role and a content, each kept as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stages.cleaning.texts import blank, normalised
from stages.core.errors import InputError, nearest
from stages.interfaces import Cell

ROLES = ("system", "user", "assistant", "tool")
KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content")


def turns(cell: Cell, where: str, column: str) -> tuple[str, ...] | None:
    """Return the turns of a conversation, a line of JSON each; None for one that does not end in a response.

    Raises InputError, which begins with `where`, for an unknown role or key, and an earlier turn without content.
    """
    found = _objects(cell, where, column)
    if not found or found[-1].get("role") != "assistant":
        _checked(found, where, column)
        return None
    _checked(found, where, column, answered=False)
    return tuple(map(_line, found)) if _says(found[-1]) else None


def opening(cell: Cell, where: str, column: str) -> tuple[str, ...]:
    """Return the turns of a conversation but for the response that it may end in. Raises InputError as `turns`."""
    found = _objects(cell, where, column)
    if found and found[-1].get("role") == "assistant":
        found.pop()
    _checked(found, where, column)
    if not found or found[-1]["role"] == "system":
        raise InputError(f"{where}: column {column!r}: no turn of a user, wanted one that a response follows")
    return tuple(map(_line, found))


def _objects(cell: Cell, where: str, column: str) -> list[dict[str, Any]]:
    """Return the turns as they stand in a cell: objects, or their JSON; what is null is left out."""
    read: Any = cell
    if isinstance(cell, str):
        if not cell.strip():
            return []
        try:
            read = json.loads(cell)
        except (ValueError, RecursionError):
            raise InputError(
                f"{where}: found {cell[:60]!r} in column {column!r}, wanted a JSON list of turns"
            ) from None
    if not isinstance(read, list | tuple) or not all(isinstance(turn, dict) for turn in read):
        raise InputError(f"{where}: found {str(read)[:60]!r} in column {column!r}, wanted a list of turns")
    return [{key: value for key, value in turn.items() if value is not None} for turn in read]


def _checked(found: list[dict[str, Any]], where: str, column: str, answered: bool = True) -> None:
    """Raise InputError for a turn that is none; the last may be empty unless it is `answered`."""
    for number, turn in enumerate(found, 1):
        place = f"{where}: column {column!r}, turn {number}"
        for key in turn:
            if key not in KEYS:
                raise InputError(f"{place}: unknown key {key!r}{nearest(str(key), KEYS)}")
        role = turn.get("role")
        if role not in ROLES:
            raise InputError(f"{place}: unknown role {role!r}{nearest(str(role), ROLES)}")
        if role == "assistant" and number == 1:
            raise InputError(f"{place}: the assistant speaks first, wanted a turn that it answers")
        content = turn.get("content", "")
        if not isinstance(content, str):
            raise InputError(f"{place}: content: found {str(content)[:60]!r}, wanted a text")
        normalised(content, place)
        if not _says(turn) and (answered or number < len(found)):
            raise InputError(f"{place}: the content of this {role} turn is empty")


def _says(turn: Mapping[str, Any]) -> bool:
    return bool(turn.get("tool_calls")) or not blank(normalised(turn.get("content", ""), ""))


def _line(turn: Mapping[str, Any]) -> str:
    return json.dumps(turn, sort_keys=True, ensure_ascii=False)
