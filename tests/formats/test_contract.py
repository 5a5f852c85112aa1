"""What every format keeps, whatever its name in the registry."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.formats import FORMATS
from stages.formats.cells import NoColumn
from stages.interfaces import Format
from tests.formats.conftest import OWN

Write = Callable[[Path, list[str], list[list[str]]], None]
PER_EXAMPLE = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
LETTERS = st.characters(codec="utf-8", exclude_characters="\0\t\n\r")
ROWS = st.lists(st.tuples(st.sampled_from("xyz"), st.text(LETTERS)).map(list), min_size=1, max_size=8).map(sorted)
NAMES = ["label", "text"]


def some_file(kind: str, path: Path) -> Path:
    """Return a file of the table that was written at `path`."""
    return path / "x" / "00.txt" if kind == "folders" else path


@PER_EXAMPLE
@given(rows=ROWS)
def test_rows_come_back_as_written(reader: Format, write: Write, tmp_path: Path, rows: list) -> None:
    with TemporaryDirectory(dir=tmp_path) as folder:
        path = Path(folder, "table")
        write(path, NAMES, rows)
        assert sorted(cells for _, cells in reader.rows(path, "utf-8", NAMES)) == rows


def test_columns_come_in_the_order_asked_for(reader: Format, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "t", NAMES, [["1", "2"]])
    assert [cells for _, cells in reader.rows(tmp_path / "t", "utf-8", ["text", "label"])] == [["2", "1"]]


def test_numbers_point_into_the_file(kind: str, reader: Format, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "t", NAMES, [["x", "one"], ["y", "two"]])
    first = {"tab": 4, "tsv": 2, "csv": 2}.get(kind, 1)
    found = [(number, *cells) for number, cells in reader.rows(tmp_path / "t", "utf-8", ["text"])]
    assert found == [(first, "one"), (first + 1, "two")]


def test_an_unknown_column_is_told_with_the_nearest(reader: Format, write: Write, tmp_path: Path) -> None:
    write(tmp_path / "t", NAMES, [["x", "y"]])
    with pytest.raises(NoColumn, match=r"t.*: no column 'txt' \(nearest: 'text'\)") as caught:
        list(reader.rows(tmp_path / "t", "utf-8", ["txt"]))
    assert caught.value.column == "txt"


def test_an_empty_file_is_refused(reader: Format, tmp_path: Path) -> None:
    (tmp_path / "t").touch()
    with pytest.raises(InputError, match=r"t: (empty file|not a readable Parquet file|is a file, wanted a folder)"):
        list(reader.rows(tmp_path / "t", "utf-8", ["text"]))


def test_a_folder_without_texts_is_refused(reader: Format, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    with pytest.raises(InputError, match=r"t: (is a folder, wanted a file|not a readable Parquet file|no text)"):
        list(reader.rows(tmp_path / "t", "utf-8", ["text"]))


def test_a_missing_file_is_refused(reader: Format, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        list(reader.rows(tmp_path / "absent", "utf-8", ["text"]))


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
    kind: str, reader: Format, write: Write, tmp_path: Path, garbage: bytes, encoding: str
) -> None:
    write(tmp_path / "t", NAMES, [["x", "y"]])
    some_file(kind, tmp_path / "t").write_bytes(garbage)
    assert_told_or_read(reader, tmp_path / "t", encoding, NAMES)


@PER_EXAMPLE
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_flipped_byte_is_told_or_read_but_never_crashes(
    kind: str, reader: Format, write: Write, tmp_path: Path, position: int, byte: int
) -> None:
    write(tmp_path / "t", NAMES, [["x", f"text number {n}"] for n in range(20)])
    file = some_file(kind, tmp_path / "t")
    data = bytearray(file.read_bytes())
    data[position % len(data)] = byte
    file.write_bytes(data)
    assert_told_or_read(reader, tmp_path / "t", "utf-8", NAMES)


PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kind", sorted(set(FORMATS) - {"parquet", "folders", *OWN}), indirect=True)
def test_compressed_files_are_read_as_they_are(reader: Format, write: Write, tmp_path: Path, suffix: str) -> None:
    rows = [["x", f"text number {n}"] for n in range(40)]
    write(tmp_path / "t", NAMES, rows)
    packed = tmp_path / f"t{suffix}"
    data = (tmp_path / "t").read_bytes()
    half = len(data) // 2  # two streams, as parallel packers write them
    packed.write_bytes(PACK[suffix](data[:half]) + PACK[suffix](data[half:]))
    assert [cells for _, cells in reader.rows(packed, "utf-8", NAMES)] == rows
