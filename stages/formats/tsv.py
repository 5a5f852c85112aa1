"""Tab-separated lines without quoting: a `"` is a letter like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.formats.text import Header, Records, lines, pick, read_header


def records(path: Path, encoding: str) -> Records:
    """Yield (line, cells) of every line that is not empty."""
    for number, line in lines(path, encoding):
        line = line.removesuffix("\r")
        if line:
            yield number, line.split("\t")


@dataclass(frozen=True)
class Tsv:
    """One row a line, a tab between columns, no quoting; blank lines are no rows."""

    header: Header = True
    unit: ClassVar[str] = "line"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Records:
        """See stages.interfaces.Format."""
        names, rows = read_header(path, records(path, encoding), self.header)
        yield from pick(path, names, rows, columns, "that is format csv")
