"""A clean split as a Parquet file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from stages.cleaning.reading import Reader
from stages.cleaning.rows import Rows
from stages.core.tables import ROWS_A_GROUP, parquet_writer
from stages.interfaces import Kind

COLUMNS: dict[Kind, pa.DataType] = {"text": pa.string(), "words": pa.list_(pa.string()), "number": pa.float64()}
STORED = {"index": pa.int32(), "indices": pa.list_(pa.int32()), "number": pa.float64()}


def write(path: Path, rows: Rows, reader: Reader, space: Mapping[str, Any]) -> None:
    """Write one split: ids, the columns of the input, the answer as the target stores it."""
    examples, answers, code = list(reader.examples), list(reader.answers), reader.target.coder(space)
    fields, target = reader.input.fields, reader.target
    schema = pa.schema(
        [("id", pa.int64()), *((f.name, COLUMNS[f.kind]) for f in fields), (target.stored, STORED[target.form])]
    )
    with parquet_writer(path, schema) as writer:
        for start in range(0, len(rows), ROWS_A_GROUP):
            part = slice(start, start + ROWS_A_GROUP)
            held = [examples[c] for c in rows.examples[part].tolist()]
            columns = [[example[place] for example in held] for place in range(len(fields))]
            stored = [code(answers[c]) for c in rows.answers[part].tolist()]
            writer.write_table(pa.table([rows.ids[part], *columns, stored], schema=schema), row_group_size=ROWS_A_GROUP)
