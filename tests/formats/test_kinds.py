"""What is peculiar to each format."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.core.errors import InputError
from stages.formats.csv import Csv
from stages.formats.jsonl import Jsonl
from stages.formats.parquet import Parquet
from stages.formats.tab import Tab
from stages.formats.tsv import Tsv
from stages.interfaces import Format

ORANGE = b"Category\tText\nd\tstring\nclass\t\n"


def read(path: Path, reader: Format, data: bytes, *columns: str) -> list[tuple[int, list[str]]]:
    path.write_bytes(data)
    return list(reader.rows(path, "utf-8", columns))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t"


@pytest.mark.parametrize("fourth", [b"\n", b"\t\n", b"\r\n", b""])
def test_tab_has_three_header_lines_and_perhaps_a_blank_one(path: Path, fourth: bytes) -> None:
    rows = read(path, Tab(), ORANGE + fourth + b'earn\tup "5\n', "Text", "Category")
    assert rows == [(5 if fourth else 4, ['up "5', "earn"])]


def test_tab_keeps_a_lone_tab_further_down_as_a_row(path: Path) -> None:
    assert read(path, Tab(), ORANGE + b"\na\tb\n\t\n", "Text") == [(5, ["b"]), (6, [""])]


def test_tab_takes_orange_roles_and_attributes(path: Path) -> None:
    header = b"a\tb\tc\r\nd\tstring\tcontinuous\r\nclass\tmeta include=True title=True\ti\r\n"
    assert read(path, Tab(), header + b"1\t2\t3\r\n", "c") == [(4, ["3"])]


def test_tab_without_its_three_header_lines_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match=r"t, line 3: found 'earn it rose', wanted the roles of 2 columns"):
        read(path, Tab(), b"Category\tText\nearn\tit fell\nearn\tit rose\n", "Text")


def test_tab_with_two_lines_ends_before_its_header(path: Path) -> None:
    with pytest.raises(InputError, match="ends before its header does"):
        read(path, Tab(), b"Category\tText\nd\tstring\n", "Text")


@pytest.mark.parametrize("reader", [Tab(), Tsv(), Csv()])
def test_a_byte_order_mark_alone_is_no_header(path: Path, reader: Format) -> None:
    with pytest.raises(InputError, match="t: "):
        read(path, reader, b"\xef\xbb\xbf", "a")


def test_tsv_does_not_quote(path: Path) -> None:
    assert read(path, Tsv(), b'a\tb\n"x\ty"\n', "a", "b") == [(2, ['"x', 'y"'])]


def test_tsv_takes_windows_line_ends_and_skips_blank_lines(path: Path) -> None:
    assert read(path, Tsv(), b"a\tb\r\n\r\nx\ty\r\n\n", "a", "b") == [(3, ["x", "y"])]


@pytest.mark.parametrize(("row", "found"), [(b"x", "1 column"), (b"x\ty\tz", "3 columns")])
def test_tsv_with_another_number_of_columns_is_told_with_its_line(path: Path, row: bytes, found: str) -> None:
    with pytest.raises(InputError, match=rf"t, line 3: found {found}, wanted 2: 'a', 'b'"):
        read(path, Tsv(), b"a\tb\n1\t2\n" + row + b"\n", "a")


def test_tsv_without_header_takes_given_names(path: Path) -> None:
    assert read(path, Tsv(header=("a", "b")), b"x\ty\n", "b") == [(1, ["y"])]


def test_tsv_without_header_or_names_counts_its_columns(path: Path) -> None:
    assert read(path, Tsv(header=False), b"x\ty\nz\tw\n", "2") == [(1, ["y"]), (2, ["w"])]


def test_a_missing_header_is_told_with_the_key_to_set(path: Path) -> None:
    message = r"no column 'text' \(known: 'sunny', 'weather'\); a file without header .* data.format.header"
    with pytest.raises(InputError, match=message):
        read(path, Tsv(), b"sunny\tweather\nrainy\tweather\n", "text")


def test_a_column_that_stands_twice_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match="two columns are named 'a'"):
        read(path, Tsv(), b"a\ta\n1\t2\n", "a")


def test_csv_cells_may_hold_delimiters_quotes_and_line_ends(path: Path) -> None:
    data = b'a,b\r\n"x, ""y""\r\nz",1\r\n2,3\r\n'
    assert read(path, Csv(), data, "a") == [(2, ['x, "y"\r\nz']), (4, ["2"])]


def test_csv_takes_another_delimiter(path: Path) -> None:
    assert read(path, Csv(delimiter=";"), b"a;b\n1,5;2\n", "a") == [(2, ["1,5"])]


def test_csv_quote_that_is_never_closed_is_told_where_it_opens(path: Path) -> None:
    with pytest.raises(InputError, match=r"t, line 3: not CSV: a quote that opens here is never closed"):
        read(path, Csv(), b'a,b\n1,2\n"3,4\n5,6\n', "a")


def test_csv_text_after_a_closing_quote_is_told(path: Path) -> None:
    with pytest.raises(InputError, match=r"t, line 2: not CSV: ',' expected after '\"'"):
        read(path, Csv(), b'a,b\n"1"x,2\n', "a")


def test_csv_with_lone_carriage_returns_is_told(path: Path) -> None:
    with pytest.raises(InputError, match=r"t, line 1: not CSV: a carriage return stands within an unquoted cell"):
        read(path, Csv(), b"a,b\r1,2\r", "a")


@pytest.fixture
def own_limit() -> Iterator[None]:
    """Restore the limit that the csv module holds for the whole process."""
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("own_limit")
def test_csv_cell_beyond_the_longest_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.formats.csv.LONGEST", 20)
    with pytest.raises(InputError, match=r"t, line 2: not CSV: a cell of more than 20 characters begins here"):
        read(path, Csv(), b'a,b\n"open\n' + b"next line\n" * 5, "a")


def test_jsonl_reads_integers_booleans_and_nulls_as_text(path: Path) -> None:
    data = b'{"a": 7, "b": true}\n\n{"b": null, "a": "x"}\r\n'
    assert read(path, Jsonl(), data, "a", "b") == [(1, ["7", "true"]), (3, ["x", ""])]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", r"line 2: found '\[1, 2\]', wanted a JSON object"),
        (b'{"a": 1', r"line 2: not JSON: column 8: Expecting ',' delimiter"),
        (b"[" * 100_000, "line 2: not JSON"),
        (b'{"b": 1}', "line 2: no column 'a'"),
        (b'{"a": 1.5}', "line 2: found a fraction in column 'a'"),
        (b'{"a": NaN}', "line 2: found a fraction in column 'a'"),
        (b'{"a": ["x"]}', "line 2: found a list in column 'a'"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "line 2: not JSON"),
    ],
)
def test_jsonl_faults_are_told_with_their_line(path: Path, line: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(path, Jsonl(), b'{"a": "x"}\n' + line + b"\n", "a")


def test_jsonl_lets_other_columns_hold_anything(path: Path) -> None:
    assert read(path, Jsonl(), b'{"a": "x", "meta": {"n": 1.5}}\n', "a") == [(1, ["x"])]


def test_parquet_reads_dictionaries_integers_and_nulls_as_text(path: Path) -> None:
    table = pa.table({"a": pa.array(["x", None]).dictionary_encode(), "b": pa.array([1, 2], pa.int8())})
    pq.write_table(table, path)
    assert list(Parquet().rows(path, "utf-8", ["b", "a"])) == [(1, ["1", "x"]), (2, ["2", ""])]


def test_parquet_value_that_is_no_text_is_told_with_its_row(path: Path) -> None:
    pq.write_table(pa.table({"a": [None, 0.5]}), path)
    with pytest.raises(InputError, match=r"t, row 2: found a fraction in column 'a'"):
        list(Parquet().rows(path, "utf-8", ["a"]))
