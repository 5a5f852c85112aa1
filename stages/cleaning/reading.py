"""Rows of a raw file as numbers, their texts and labels normalised."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.cleaning.keeping import search
from stages.cleaning.labels import refuse_unseen
from stages.cleaning.rows import Codes, Numbers, Rows
from stages.core.errors import InputError
from stages.interfaces import Format

_SEEN = re.compile("[!-~]")  # the most common of characters that are seen
_UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")
_IGNORED = re.compile(  # Default_Ignorable_Code_Point but for the categories above (DerivedCoreProperties.txt)
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


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
        ids, lines, texts, labels = (array("q") for _ in range(4))
        counts = {"read": 0, "keep": 0, "empty": 0}
        unlabelled = 0
        for line, where, text, label in self._kept(path, counts):
            if not (blank(text) or blank(label)):
                if label not in self.labels:
                    refuse_unseen(label, where)
                ids.append(counts["read"] - 1)
                lines.append(line)
                texts.append(self.texts[text])
                labels.append(self.labels[label])
            elif self.empty == "error":
                column = self.text if blank(text) else self.label
                raise InputError(f"{where}: column {column!r} is empty, and data.empty is error")
            else:
                counts["empty"] += 1
                unlabelled += blank(label)
        _refuse_nothing(path, counts, unlabelled)
        return Rows(path, self.format.unit, *map(_numbers, (ids, lines, texts, labels))), counts

    def _kept(self, path: Path, counts: dict[str, int]) -> Iterator[tuple[int, str, str, str]]:
        """Yield (line, where it is, text, label) of the rows that `keep` lets pass; count those read and not kept."""
        column, pattern = self.keep or (self.text, "")
        columns = list(dict.fromkeys([self.text, self.label, column]))
        at = columns.index(column)
        with search(pattern) if self.keep else nullcontext(_any) as found:
            for line, cells in self.format.rows(path, self.encoding, columns):
                counts["read"] += 1
                where = f"{path}, {self.format.unit} {line}"
                text, label, *_ = normal = [normalised(cell, where) for cell in cells]
                if found(normal[at], where):
                    yield line, where, text, label
                else:
                    counts["keep"] += 1


def _any(cell: str, where: str) -> bool:
    return True


def _refuse_nothing(path: Path, counts: dict[str, int], unlabelled: int) -> None:
    if not counts["read"]:
        raise InputError(f"{path}: no rows")
    if counts["read"] == counts["keep"] + counts["empty"]:
        hint = "; none has a label: texts without are for python -m stages.predict"
        raise InputError(
            f"{path}: none of its {counts['read']} rows is left: {counts['keep']} do not match data.keep, "
            f"{counts['empty']} have an empty text or label{hint if unlabelled == counts['empty'] > 0 else ''}"
        )


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


def _numbers(values: array[int]) -> Numbers:
    return np.array(values, dtype=np.int64)
