"""Rows of a raw file as numbers, their texts and labels normalised."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

import numpy as np

from stages.cleaning.rows import Codes, Numbers, Rows
from stages.core.errors import InputError
from stages.interfaces import Format


@dataclass(frozen=True)
class Reader:
    """How the rows of every split are read; the codes of texts and labels are shared by all splits."""

    format: Format
    encoding: str
    text: str  # column
    label: str  # column
    keep: tuple[str, str] | None  # (column, regular expression): only rows in whose cell it is found
    empty: str  # what is done with rows of empty text or label: drop, error
    texts: Codes = field(default_factory=Codes)
    labels: Codes = field(default_factory=Codes)

    def read(self, path: Path) -> tuple[Rows, dict[str, int]]:
        """Return the rows of a file, and how many were `read`, not kept (`keep`) and `empty`.

        Texts and labels are brought to Unicode NFC and stripped of white space at their ends. Raises InputError naming
        file and line for whatever is wrong, and for a file without rows.
        """
        columns = list(dict.fromkeys([self.text, self.label, *([self.keep[0]] if self.keep else [])]))
        kept = re.compile(self.keep[1]).search if self.keep else None
        kept_at = columns.index(self.keep[0]) if self.keep else 0
        ids, lines, texts, labels = (array("q") for _ in range(4))
        counts = {"read": 0, "keep": 0, "empty": 0}
        for line, cells in self.format.rows(path, self.encoding, columns):
            counts["read"] += 1
            where = f"{path}, {self.format.unit} {line}"
            text, label, *_ = normal = [normalised(cell, where) for cell in cells]
            if kept and not kept(normal[kept_at]):
                counts["keep"] += 1
            elif text and label:
                ids.append(counts["read"] - 1)
                lines.append(line)
                texts.append(self.texts[text])
                labels.append(self.labels[label])
            elif self.empty == "error":
                column = self.label if text else self.text
                raise InputError(f"{where}: column {column!r} is empty, and data.empty is error")
            else:
                counts["empty"] += 1
        self._refuse_nothing(path, counts)
        return Rows(path, self.format.unit, *map(_numbers, (ids, lines, texts, labels))), counts

    def _refuse_nothing(self, path: Path, counts: dict[str, int]) -> None:
        if not counts["read"]:
            raise InputError(f"{path}: no rows")
        if counts["read"] == counts["keep"] + counts["empty"]:
            raise InputError(
                f"{path}: none of its {counts['read']} rows is left: {counts['keep']} do not match data.keep, "
                f"{counts['empty']} have an empty text or label"
            )


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
    return normalize("NFC", cell).strip()


def _numbers(values: array[int]) -> Numbers:
    return np.array(values, dtype=np.int64)
