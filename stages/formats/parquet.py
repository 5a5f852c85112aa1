"""Parquet tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from stages.core.errors import InputError
from stages.formats.cells import text_of
from stages.formats.text import position

_ROWS = 10_000  # decoded at a time


@dataclass(frozen=True)
class Parquet:
    """Rows of text, integers, booleans or null; the text is UTF-8, whatever `data.encoding` says."""

    unit: ClassVar[str] = "row"

    def rows(self, path: Path, encoding: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
        """See stages.interfaces.Format; rows are counted from 1."""
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for column in columns:
                    position(path, file.schema_arrow.names, column)
                for batch in file.iter_batches(_ROWS, columns=list(columns)):
                    values = [batch.column(column).to_pylist() for column in columns]
                    for row in zip(*values, strict=True):
                        number += 1
                        where = f"{path}, row {number}"
                        yield number, [text_of(v, where, c) for v, c in zip(row, columns, strict=True)]
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: not a readable Parquet file: {reason}") from None
