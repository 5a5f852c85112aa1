"""Tables: the same rows give the same bytes, and give the rows back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.core.tables import Rows, arrow_writer, parquet_writer, read_batches, write_parquet
from stages.repro import digests

SCHEMA = pa.schema([("text", pa.string()), ("label", pa.int32())])


def table(rows: int) -> pa.Table:
    return pa.table({"text": [f"text {i}" for i in range(rows)], "label": [i % 7 for i in range(rows)]}, SCHEMA)


def write_arrow(path: Path, lists: list[list[int]], batch: int) -> None:
    schema = pa.schema([("tokens", pa.list_(pa.int32())), ("length", pa.int32())])
    with arrow_writer(path, schema) as writer:
        for start in range(0, len(lists), batch):
            part = lists[start : start + batch]
            writer.write_batch(pa.record_batch([part, [len(tokens) for tokens in part]], schema=schema))


def test_parquet_bytes(tmp_path: Path) -> None:
    """A change of these bytes changes every address downstream: say so in CHANGELOG.md, "other bits"."""
    write_parquet(tmp_path / "a.parquet", table(1000))
    assert digests.of_file(tmp_path / "a.parquet") == "91e47b2d5c253f9d357ed6fd9b35a248791a7ceffa42889e1e1c1e7cc014cc5c"


def test_arrow_bytes(tmp_path: Path) -> None:
    """A change of these bytes changes every address downstream: say so in CHANGELOG.md, "other bits"."""
    write_arrow(tmp_path / "a.arrow", [list(range(i % 9)) for i in range(1000)], 100)
    assert digests.of_file(tmp_path / "a.arrow") == "9cb06a6b423d278e5d8cf1b313aae0deb0a701d5674cedbf79a1dbe7dabe9eef"


def test_parquet_bytes_do_not_depend_on_chunks_or_metadata(tmp_path: Path) -> None:
    whole = table(25_000)
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 12_000), whole.slice(12_001)])
    write_parquet(tmp_path / "whole", whole)
    write_parquet(tmp_path / "pieces", pieces.replace_schema_metadata({"made": "today"}))
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "pieces").read_bytes()


def test_parquet_groups(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a", table(25_000))
    metadata = pq.ParquetFile(tmp_path / "a").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [10_000, 10_000, 5_000]


def test_batches_stream_in_order(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a", table(25_000))
    batches = list(read_batches(tmp_path / "a", ["text"]))
    assert max(batch.num_rows for batch in batches) <= 10_000
    assert batches[0].schema.names == ["text"]
    assert [text for batch in batches for text in batch.column(0).to_pylist()] == [f"text {i}" for i in range(25_000)]


def test_writer_takes_tables_as_they_come(tmp_path: Path) -> None:
    with parquet_writer(tmp_path / "a", SCHEMA) as writer:
        writer.write_table(table(10_000))
        writer.write_table(table(10))
    assert pq.read_table(tmp_path / "a").num_rows == 10_010


@given(st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=12), st.integers(1, 5), st.data())
def test_rows_at_any_indices(
    tmp_path_factory: pytest.TempPathFactory, lists: list[list[int]], batch: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.arrow"
    write_arrow(path, lists, batch)
    rows = Rows(path)
    assert len(rows) == len(lists)
    assert rows.numbers("length").tolist() == [len(tokens) for tokens in lists]
    wanted = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=8) if lists else st.just([]))
    found = rows.lists("tokens", np.array(wanted, dtype=np.int64))
    assert [tokens.tolist() for tokens in found] == [lists[i] for i in wanted]


def _batches(path: Path) -> object:
    return list(read_batches(path))


@pytest.mark.parametrize(("read", "kind"), [(_batches, "Parquet"), (Rows, "Arrow")])
def test_broken_file(tmp_path: Path, read: Callable[[Path], object], kind: str) -> None:
    path = tmp_path / "broken"
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: no such file"
    for content in (b"", b"not a table at all, but long enough for a footer", b"ARROW1\0\0" * 9, b"PAR1" * 9):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: not a readable {kind} file: ")
