"""A folder for each class, a text in each of its .txt files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stages.core.errors import InputError
from stages.formats.cells import NoColumn
from stages.formats.content import LONGEST, decoded

_COLUMNS = ("text", "label", "name")


@dataclass(frozen=True)
class Folders:
    """Files LABEL/NAME.txt, in the order of these names, each a row: columns text, label and name; others are no rows.

    The column `text` is what the file holds, `label` the name of its folder, `name` its own.
    """

    unit: ClassVar[str] = "file"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """See stages.interfaces.Format; `path` is the folder above the classes', files are counted from 1."""
        for column in columns:
            if column not in _COLUMNS:
                raise NoColumn(str(path), column, _COLUMNS, "; format folders has no others")
        number = 0
        for number, file in enumerate(_files(path), 1):
            text = _text(file, encoding) if "text" in columns else ""
            row = {"text": text, "label": file.parent.name, "name": file.name}
            yield number, [row[column] for column in columns]
        if not number:
            raise InputError(f"{path}: no text, wanted a folder for each class, with .txt files in it")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        raise InputError(f"{path}: {'is a file' if path.exists() else 'no such folder'}, wanted a folder")
    files = [f for f in path.glob("*/*") if f.suffix.lower() == ".txt" and f.is_file()]
    return sorted(files, key=lambda file: (file.parent.name, file.name))


def _text(path: Path, encoding: str) -> str:
    """Return what a file holds. Raises InputError naming it."""
    if not path.stat().st_size:
        return ""
    parts: list[str] = []
    held = 0
    for part in decoded(path, encoding):
        parts.append(part)
        held += len(part)
        if held > LONGEST:
            raise InputError(f"{path}: longer than {LONGEST:,} characters, the most a text may have")
    return "".join(parts)
