"""Orange's .tab: tab-separated lines under three header lines, without quoting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.core.errors import InputError
from stages.formats.text import Records, lines, pick, refuse_returns

_ROLES = frozenset(["class", "c", "meta", "m", "ignore", "i", "weight", "w"])


@dataclass(frozen=True)
class Tab:
    """Lines of column names, types and roles, perhaps a blank one, then one row a line; blank lines are no rows."""

    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Records:
        """See stages.interfaces.Format."""
        cells = ((number, line.removesuffix("\r").split("\t")) for number, line in lines(path, encoding))
        names = next(cells, (1, [""]))[1]
        refuse_returns(path, names)
        for wanted in ("types", "roles"):
            number, found = next(cells, (0, []))
            if not number:
                raise InputError(f"{path}: ends before its header does: three lines, of names, types and roles")
            if len(found) > len(names) or (wanted == "roles" and not all(map(_is_role, found))):
                shown = " ".join(found)[:60]
                raise InputError(
                    f"{path}, line {number}: found {shown!r}, wanted the {wanted} of {len(names)} columns: "
                    "a .tab file has three header lines, of names, types and roles"
                )
        yield from pick(path, names, _rows(cells), columns)


def _is_role(cell: str) -> bool:
    """Tell whether a cell of the third line is one: nothing, role names, key=value attributes."""
    return all(word in _ROLES or "=" in word for word in cell.split())


def _rows(cells: Records) -> Records:
    for number, row in cells:
        blank = row == [""] or (number == 4 and not any(row))
        if not blank:
            yield number, row
