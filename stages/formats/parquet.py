"""Parquet tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from stages.core.errors import InputError
from stages.formats.cells import NoColumn, cells_of, known, reach
from stages.interfaces import Cell

_ROWS = 10_000  # decoded at a time


@dataclass(frozen=True)
class Parquet:
    """Rows of text, whole numbers, booleans or null; the text is UTF-8, whatever `data.encoding` says.

    Class numbers become the names that Hugging Face's `datasets` kept in the file's schema; -1 is no label.
    """

    unit: ClassVar[str] = "row"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """See stages.interfaces.Format; rows are counted from 1."""
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                classes = _checked(path, file.schema_arrow, columns)
                for batch in file.iter_batches(_ROWS, columns=list(columns)):
                    for row in batch.to_pylist():
                        number += 1
                        where = f"{path}, row {number}"
                        cells = cells_of(row, columns, where)
                        yield (
                            number,
                            [
                                _named(str(cell), classes[column], where, column) if column in classes else cell
                                for cell, column in zip(cells, columns, strict=True)
                            ],
                        )
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: not a readable Parquet file: {reason}") from None


def _checked(path: Path, schema: pa.Schema, columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the class names of each of `columns` that has some. Raises InputError for a column that is not there."""
    shape = _shape(schema)
    features = _features(path, schema)
    classes = {}
    for column in columns:
        if schema.names.count(column.partition(".")[0]) > 1 or schema.names.count(column) > 1:
            raise InputError(f"{path}: two columns are named {column!r}")
        try:
            reach(shape, column)
        except KeyError:
            raise NoColumn(str(path), column, known(shape)) from None
        try:
            feature = reach(features, column)
        except KeyError:
            continue
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names"):
            classes[column] = list(map(str, feature["names"]))
    return classes


def _shape(fields: Any) -> dict[str, Any]:
    """Return the names of columns, and for each the names within it, "" where it is no struct."""
    return {field.name: _shape(field.type) if pa.types.is_struct(field.type) else "" for field in fields}


def _features(path: Path, schema: pa.Schema) -> Mapping[str, Any]:
    """Return what `datasets` says of the columns, {} where it says nothing."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (KeyError, TypeError):
        return {}
    except (ValueError, RecursionError):
        raise InputError(f"{path}: the entry 'huggingface' of its schema's metadata is not JSON") from None
    return features if isinstance(features, dict) else {}


def _named(cell: str, names: list[str], where: str, column: str) -> str:
    """Return the name of a class number, "" for -1 and for what is missing."""
    if cell in ("", "-1"):
        return ""
    if not cell.isdecimal() or int(cell) >= len(names):
        raise InputError(
            f"{where}: found {cell[:60]!r} in column {column!r}, wanted a class of the {len(names)} that the file "
            f"names: 0 to {len(names) - 1}, or -1 for no label"
        )
    return names[int(cell)]
