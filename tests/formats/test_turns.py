"""Turns of conversations come out the same of every format that can hold them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.cleaning.values import value
from stages.formats.csv import Csv
from stages.formats.json import Json
from stages.formats.jsonl import Jsonl
from stages.formats.parquet import Parquet

CALL = [{"function": {"arguments": {"x": 1}, "name": "add"}, "type": "function"}]
ROWS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "hi"}, {"role": "assistant", "content": " ho, Zoë\n"}],
    [{"role": "user", "content": "1 + 1"}, {"role": "assistant", "content": None, "tool_calls": CALL},
     {"role": "tool", "content": "2"}, {"role": "assistant", "content": "2"}],
]  # fmt: skip


def written(kind: str, path: Path) -> Any:
    if kind == "json":
        path.write_text(json.dumps([{"messages": row} for row in ROWS]), encoding="utf-8")
        return Json()
    if kind == "jsonl":
        path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in ROWS), encoding="utf-8")
        return Jsonl()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([{"messages": row} for row in ROWS]), path)
        return Parquet()
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["messages"], *([json.dumps(row)] for row in ROWS)])
    return Csv(delimiter=",", header=True)


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet", "csv"])
def test_turns(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{kind}"
    rows = list(written(kind, path).rows(path, "utf-8", ["messages"]))
    found = [value(cells[0], "turns", "here", "messages") for _, cells in rows]
    first = ('{"content": "hi", "role": "user"}', '{"content": " ho, Zoë\\n", "role": "assistant"}')
    assert found[0] == first
    assert [json.loads(turn) for turn in found[1]] == [
        {key: held for key, held in turn.items() if held is not None} for turn in ROWS[1]
    ]
