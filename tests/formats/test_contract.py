"""What every format keeps, whatever its name in the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.interfaces import Format

Write = Callable[[Path, list[str], list[list[str]]], None]
PER_EXAMPLE = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
LETTERS = st.characters(codec="utf-8", exclude_characters="\0\t\n\r")
CELLS = st.lists(st.tuples(st.text(LETTERS, min_size=1), st.text(LETTERS)).map(list), min_size=1, max_size=8)


@PER_EXAMPLE
@given(rows=CELLS)
def test_rows_come_back_as_written(kind: str, reader: Format, write: Write, tmp_path: Path, rows: list) -> None:
    path = tmp_path / "table"
    write(path, ["a", "b"], rows)
    assert [cells for _, cells in reader.rows(path, "utf-8", ["a", "b"])] == rows


def test_columns_come_in_the_order_asked_for(reader: Format, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "t", ["a", "b", "c"], [["1", "2", "3"]])
    assert [cells for _, cells in reader.rows(tmp_path / "t", "utf-8", ["c", "a"])] == [["3", "1"]]


def test_numbers_point_into_the_file(kind: str, reader: Format, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "t", ["a"], [["x"], ["y"]])
    first = {"tab": 4, "tsv": 2, "csv": 2, "jsonl": 1, "parquet": 1}[kind]
    assert [number for number, _ in reader.rows(tmp_path / "t", "utf-8", ["a"])] == [first, first + 1]


def test_an_unknown_column_is_told_with_the_nearest(reader: Format, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "t", ["text", "label"], [["x", "y"]])
    with pytest.raises(InputError, match=r"t.*: no column 'txt' \(nearest: 'text'\)"):
        list(reader.rows(tmp_path / "t", "utf-8", ["txt"]))


def test_an_empty_file_is_refused(reader: Format, tmp_path: Path) -> None:
    (tmp_path / "t").touch()
    with pytest.raises(InputError, match=r"t: (empty file|not a readable Parquet file)"):
        list(reader.rows(tmp_path / "t", "utf-8", ["a"]))


def test_a_missing_file_is_refused(reader: Format, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        list(reader.rows(tmp_path / "absent", "utf-8", ["a"]))


def assert_told_or_read(reader: Format, path: Path, encoding: str, columns: list[str]) -> None:
    """Fail unless the file is read as text, or refused by a message that names it."""
    told = ""
    rows: list[tuple[int, list[str]]] = []
    try:
        rows = list(reader.rows(path, encoding, columns))
    except InputError as error:
        told = str(error)
    assert str(path) in told or not told
    assert all(isinstance(cell, str) for _, cells in rows for cell in cells)


@PER_EXAMPLE
@given(garbage=st.binary(min_size=1, max_size=400), encoding=st.sampled_from(["utf-8", "latin-1", "utf-16", "gb18030"]))
def test_garbage_is_told_or_read_but_never_crashes(
    reader: Format, tmp_path: Path, garbage: bytes, encoding: str
) -> None:
    (tmp_path / "t").write_bytes(garbage)
    assert_told_or_read(reader, tmp_path / "t", encoding, ["a"])


@PER_EXAMPLE
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_flipped_byte_is_told_or_read_but_never_crashes(
    reader: Format, write: Write, tmp_path: Path, position: int, byte: int
) -> None:
    write(tmp_path / "t", ["a", "b"], [[f"text number {n}", "label"] for n in range(20)])
    data = bytearray((tmp_path / "t").read_bytes())
    data[position % len(data)] = byte
    (tmp_path / "t").write_bytes(data)
    assert_told_or_read(reader, tmp_path / "t", "utf-8", ["a", "b"])
