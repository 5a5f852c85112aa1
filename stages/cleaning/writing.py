"""A clean split as a Parquet file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from stages.cleaning.reading import Reader
from stages.cleaning.rows import Rows
from stages.core.tables import ROWS_A_GROUP, TYPES, parquet_writer


def write(path: Path, rows: Rows, reader: Reader, space: Mapping[str, Any]) -> None:
    """Write one split: ids, the columns of the input, the answer as the target stores it, if it has fields."""
    examples, answers, code = list(reader.examples), list(reader.answers), reader.target.coder(space)
    fields, target = reader.input.fields, reader.target
    stored = [(target.stored, TYPES[target.form])] if target.fields else []
    schema = pa.schema([("id", pa.int64()), *((field.name, TYPES[field.kind]) for field in fields), *stored])
    with parquet_writer(path, schema) as writer:
        for start in range(0, len(rows), ROWS_A_GROUP):
            part = slice(start, start + ROWS_A_GROUP)
            held = [examples[c] for c in rows.examples[part].tolist()]
            columns: list[Any] = [
                rows.ids[part],
                *([example[place] for example in held] for place in range(len(fields))),
            ]
            if target.fields:
                columns.append([code(answers[c]) for c in rows.answers[part].tolist()])
            writer.write_table(pa.table(columns, schema=schema), row_group_size=ROWS_A_GROUP)
