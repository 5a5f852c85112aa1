"""Parquet and Arrow tables with pinned settings: the same rows give the same bytes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from stages.core.errors import InputError

ROWS_A_GROUP = 10_000
TYPES = {  # of what the columns of an input and a target hold (stages.interfaces: Field.kind, Target.form)
    **dict.fromkeys(("text", "verbatim", "optional", "response"), pa.string()),
    **dict.fromkeys(("words", "texts", "turns"), pa.list_(pa.string())),
    "number": pa.float64(), "numbers": pa.list_(pa.float64()), "index": pa.int32(), "indices": pa.list_(pa.int32()),
}  # fmt: skip


@contextlib.contextmanager
def parquet_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Open a Parquet file for writing tables of `schema`; write groups of ROWS_A_GROUP rows for stable bytes."""
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=3, version="2.6", data_page_version="1.0",
        use_dictionary=False, write_statistics=False, store_schema=False,
    ) as writer:  # fmt: skip
        yield writer


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write one table; schema metadata is dropped."""
    table = table.replace_schema_metadata(None).combine_chunks()
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table, row_group_size=ROWS_A_GROUP)


def read_batches(path: Path, columns: list[str] | None = None, rows: int = ROWS_A_GROUP) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file in order, at most `rows` at a time. Raises InputError naming a broken file."""
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(rows, columns=columns)
    except OSError as error:
        raise _unreadable(path, error) from None
    except pa.ArrowException as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from None


def _unreadable(path: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file")
    return InputError(f"{path}: cannot be read: {os.strerror(error.errno) if error.errno else error}")


@contextlib.contextmanager
def arrow_writer(path: Path, schema: pa.Schema) -> Iterator[pa.ipc.RecordBatchFileWriter]:
    """Open an uncompressed Arrow file, which `Rows` reads by memory map."""
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V5, compression=None, use_threads=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
        yield writer


class Rows:
    """An Arrow file read by memory map: random access to its rows without loading them.

    Raises InputError naming the file when it is missing or broken.
    """

    def __init__(self, path: Path) -> None:
        self._numbers: dict[str, np.ndarray[Any, Any]] = {}
        try:
            self.table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except OSError as error:
            raise _unreadable(path, error) from None
        except pa.ArrowException as error:
            raise InputError(f"{path}: not a readable Arrow file: {error}") from None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def numbers(self, column: str) -> np.ndarray[Any, Any]:
        """Return a whole numeric column, shape (rows,)."""
        if column not in self._numbers:
            self._numbers[column] = np.asarray(self.table.column(column).to_numpy())
        return self._numbers[column]

    def lists(self, column: str, indices: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """Return the list values of a column at `indices`, in that order, each an array of its own length."""
        chunked = self.table.column(column)
        starts = np.cumsum([0] + [len(c) for c in chunked.chunks])
        found = []
        for index in indices.tolist():
            chunk = int(np.searchsorted(starts, index, side="right")) - 1
            found.append(chunked.chunk(chunk)[index - int(starts[chunk])].values.to_numpy())
        return found

    def take(self, indices: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Return the columns of the rows at `indices` (n,), in that order: an array (n,), or n arrays of a list."""
        return {
            field.name: self.lists(field.name, indices)
            if pa.types.is_list(field.type)
            else self.numbers(field.name)[indices]
            for field in self.table.schema
        }
