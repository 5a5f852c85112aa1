"""What is peculiar to each format."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.formats.csv import Csv
from stages.formats.folders import Folders
from stages.formats.json import Json
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


@pytest.mark.parametrize(("reader", "data"), [(Tsv(), b"a\tb\rx\ty\r"), (Tab(), b"a\tb\rd\td\r" + b"\n" * 2)])
def test_line_ends_of_old_macs_are_told(path: Path, reader: Format, data: bytes) -> None:
    with pytest.raises(InputError, match=r"t, line 1: found a carriage return alone; .* tr '.r' '.n' < OLD > NEW"):
        read(path, reader, data, "a")


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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (b'"1"x,2\n', "line 3: not CSV: found 'x' behind a closing quote, wanted ',' or the line's end"),
        (b'"1" ,2\n', "line 3: not CSV: found ' ' behind a closing quote, wanted ',' or the line's end"),
        (b'1, "2"\n', "line 3: not CSV: a blank stands before an opening quote"),
        (b'1,\t"2"\r\n', "line 3: not CSV: a blank stands before an opening quote"),
        (b'1,a "b" c\n', "line 3: not CSV: a quote stands within a cell that has none around it"),
        (b'5" pipe,2\n3,4\n6" pipe,7\n', "line 3: not CSV: a quote stands within a cell that has none around it"),
        (b'5" pipe,2\n3,4\n', "line 3: not CSV: a quote stands within a cell that has none around it"),
        (b'"x\ny",a"b"\n', "line 4: not CSV: a quote stands within a cell that has none around it"),
        (b"a\rb,c\n", "line 3: not CSV: found a carriage return alone"),
        (b'a\rb,"c"\n', "line 3: not CSV: found a carriage return alone"),
    ],
)
def test_csv_refuses_the_quotes_that_rfc_4180_forbids(path: Path, rows: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}, {re.escape(message)}"):
        read(path, Csv(), b"a,b\n1,2\n" + rows, "a")


CSV_CELLS = st.lists(st.text(st.sampled_from('a";, \n\r'), max_size=6), min_size=2, max_size=2)


@given(rows=st.lists(CSV_CELLS, min_size=1, max_size=5), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_csv_reads_what_pythons_writer_writes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], quoting: Any
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=quoting).writerows(rows)
    path = tmp_path_factory.getbasetemp() / "written.csv"
    assert [cells for _, cells in read(path, Csv(header=("a", "b")), buffer.getvalue().encode(), "a", "b")] == rows


@pytest.mark.parametrize(
    ("data", "reader", "row"),
    [
        (b"sep=;\r\na;b\r\n1,5;2\r\n", Csv(), (3, ["1,5", "2"])),
        (b'\xef\xbb\xbf"sep=|"\na|b\n1|2\n', Csv(delimiter=";"), (3, ["1", "2"])),
        (b"sep=\t\n1\t2\n", Csv(header=("a", "b")), (2, ["1", "2"])),
        (b"a,b\nsep=;,2\n", Csv(), (2, ["sep=;", "2"])),
    ],
)
def test_csv_takes_the_delimiter_that_excel_states(path: Path, data: bytes, reader: Csv, row: Any) -> None:
    assert read(path, reader, data, "a", "b") == [row]


@pytest.mark.parametrize(
    ("reader", "data", "message"),
    [
        (
            Csv(header=("a", "b")),
            b"x;y\n",
            "line 1: found 1 column, wanted 2: 'a', 'b'; .* by ';': set data.format.deli",
        ),
        (Tsv(), b"a,b\nx,y\n", r"no column 'a' \(.*\); the line seems to be divided by ',': that is format csv$"),
        (Tsv(), b"a\tb\nx,y\n", "line 2: found 1 column, wanted 2: 'a', 'b'; .* divided by ',': that is format csv$"),
        (Tsv(), b"a\tb\nx\n", "line 2: found 1 column, wanted 2: 'a', 'b'$"),
    ],
)
def test_a_line_with_another_delimiter_is_told_with_the_remedy(
    path: Path, reader: Format, data: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(path, reader, data, "a")


@pytest.mark.parametrize("delimiter", ";\t|")
def test_csv_with_another_delimiter_is_told_with_the_key_to_set(path: Path, delimiter: str) -> None:
    message = rf"no column 'Text' .*; the line seems to be divided by {re.escape(repr(delimiter))}: set data.fo"
    with pytest.raises(InputError, match=message):
        read(path, Csv(), f"Text{delimiter}Kategorie\nx{delimiter}y\n".encode(), "Text")


def test_csv_with_lone_carriage_returns_is_told(path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"t, line 1: not CSV: found a carriage return alone; if these are its line ends, mend them: tr",
    ):
        read(path, Csv(), b"a,b\r1,2\r", "a")


def test_csv_cell_beyond_the_longest_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.formats.csv.LONGEST", 20)
    with pytest.raises(InputError, match=r"t, line 2: not CSV: a cell of more than 20 characters begins here"):
        read(path, Csv(), b'a,b\n"open\n' + b"next line\n" * 5, "a")


def test_jsonl_reads_integers_booleans_and_nulls_as_text(path: Path) -> None:
    data = b'{"a": 7, "b": true}\n\n{"b": null, "a": "x"}\r\n{"a": 1.0, "b": NaN}\n{"a": -0.0, "b": "1.0"}\n'
    found = read(path, Jsonl(), data, "a", "b")
    assert found == [(1, ["7", "true"]), (3, ["x", ""]), (4, ["1", ""]), (5, ["0", "1.0"])]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", r"line 2: found '\[1, 2\]', wanted a JSON object; a file that is one array of .* is format json$"),
        (b"[{", r"line 2: not JSON: column 3: .*; a file that is one array of objects is format json$"),
        (b'{"a": 1', r"line 2: not JSON: column 8: Expecting ',' delimiter"),
        (b"[" * 100_000, "line 2: not JSON: nested too deeply; a file that is one"),
        (b'{"b": 1}', "line 2: no column 'a'"),
        (b'{"a": "x", "a": "y"}', "line 2: not JSON: an object has the key 'a' twice"),
        (
            b'{"a": 1' + b"0" * 5000 + b"}",
            r"line 2: not JSON: Exceeds the limit \(4300 digits\) .*: value has 5001 digits$",
        ),
    ],
)
def test_jsonl_faults_are_told_with_their_line(path: Path, line: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(path, Jsonl(), b'{"a": "x"}\n' + line + b"\n", "a")


def test_jsonl_lets_other_columns_hold_anything(path: Path) -> None:
    assert read(path, Jsonl(), b'{"a": "x", "meta": {"n": 1.5}}\n', "a") == [(1, ["x"])]


NESTED = [
    ('{"meta": {"label": "x"}}', "x"),
    ('{"meta.label": "own", "meta": {"label": "x"}}', "own"),
    ('{"meta": null}', ""),
    ('{"meta": {"label": null}}', ""),
]


@pytest.mark.parametrize(("row", "cell"), [*NESTED, ('{"meta": {}, "meta.label": 1}', "1")])
def test_a_dot_reaches_into_objects_unless_a_column_has_that_name(path: Path, row: str, cell: str) -> None:
    assert read(path, Jsonl(), row.encode(), "meta.label") == [(1, [cell])]
    assert read(path, Json(), f"[{row}]".encode(), "meta.label") == [(1, [cell])]


def test_a_dot_reaches_through_names_with_dots(path: Path) -> None:
    assert read(path, Jsonl(), b'{"a": {"x": 1}, "a.b": {"c": {"d": "deep"}}}', "a.b.c.d") == [(1, ["deep"])]


@pytest.mark.parametrize("row", [b'{"meta": {"lable": "x"}}', b'{"meta": {"lable": "x"}, "meta.x": 1}'])
def test_a_missing_column_of_an_object_is_told_with_the_nearest(path: Path, row: bytes) -> None:
    with pytest.raises(InputError, match=r"line 1: no column 'meta.label' \(nearest: 'meta.lable'"):
        read(path, Jsonl(), row, "meta.label")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    rows=st.lists(st.fixed_dictionaries({"b": VALUES, "a": st.text(max_size=30)}), max_size=4),
    indent=st.sampled_from([None, 0, 1, 40]),
    block=st.integers(1, 60),
)
def test_json_rows_do_not_depend_on_spaces_and_blocks(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None, block: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.formats.content._BLOCK", block)
        found = read(path, Json(), json.dumps(rows, indent=indent).encode(), "a")
    assert found == [(number, [row["a"]]) for number, row in enumerate(rows, 1)]


def test_json_without_rows_has_none(path: Path) -> None:
    assert read(path, Json(), b" [ ] ", "a") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b'{"a": 1}\n{"a": 2}\n',
            r"line 1, behind row 0: not JSON: found '{', wanted '\[': an array of objects; .* js",
        ),
        (b'[{"a": 1},\n 2]', "line 2, behind row 1: not JSON: found '2', wanted a JSON object"),
        (b'[{"a": 1}\n{"a": 2}]', "line 2, behind row 1: not JSON: found '{', wanted ',' or ']'"),
        (b'[{"a": 1},\n]', "line 2, behind row 1: not JSON: found ']', wanted a JSON object"),
        (b'[{"a": 1}] x', "line 1, behind row 1: not JSON: found 'x', wanted nothing behind the array"),
        (b'[{"a": 1}', "line 1, behind row 1: not JSON: found the end of the file, wanted ',' or ']'"),
        (b'[\n{"a":\n1,}]', "line 3, behind row 0: not JSON: (Expecting property name|Illegal trailing comma)"),
        (b'[{"a": "x', "line 1, behind row 0: not JSON: Unterminated string"),
        (b'[{"a": tru}' + b',{"a": 1}' * 9, "line 1, behind row 0: not JSON: Expecting value$"),
        (b'[{"a": 1, "a": 2}]', "line 1, behind row 0: not JSON: an object has the key 'a' twice"),
        (b'[{"a": ' + b"[" * 100_000, "line 1, behind row 0: not JSON: nested too deeply"),
        (b'[{"a": 1}, {"b": 1}]', "row 2: no column 'a'"),
    ],
)
def test_json_faults_are_told_with_their_place(path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf"t, {message}"):
        read(path, Json(), data, "a")


def test_json_row_that_never_ends_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.formats.content._BLOCK", 4)
    monkeypatch.setattr("stages.formats.json.LONGEST", 20)
    with pytest.raises(
        InputError, match=r"t, line 2, behind row 1: not JSON: a row of more than 20 characters begins here"
    ):
        read(path, Json(), b'[{"a": 1},\n{"a": "' + b"x" * 100, "a")


def test_parquet_reads_dictionaries_integers_and_nulls_as_text(path: Path) -> None:
    table = pa.table({"a": pa.array(["x", None]).dictionary_encode(), "b": pa.array([1, 2], pa.int8())})
    pq.write_table(table, path)
    assert list(Parquet().rows(path, "utf-8", ["b", "a"])) == [(1, ["1", "x"]), (2, ["2", ""])]


def test_parquet_takes_whole_floats_as_integers_and_nan_as_missing(path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([1.0, float("nan"), None, -2.0], pa.float32())}), path)
    assert [cells for _, cells in Parquet().rows(path, "utf-8", ["a"])] == [["1"], [""], [""], ["-2"]]


@pytest.mark.parametrize("value", [0.5, float("inf"), 1e300, ["x", "y"]])
def test_parquet_numbers_and_lists_are_cells_of_their_own(path: Path, value: object) -> None:
    pq.write_table(pa.table({"a": [None, value]}), path)
    assert list(Parquet().rows(path, "utf-8", ["a"])) == [(1, [""]), (2, [value])]


@pytest.mark.parametrize(("row", "cell"), NESTED)
def test_parquet_reaches_into_structs(path: Path, row: str, cell: str) -> None:
    full = {"meta": {"label": "other", "n": 1}} | ({"meta.label": "other"} if "meta.label" in row else {})
    pq.write_table(pa.Table.from_pylist([full, json.loads(row)]), path)
    assert list(Parquet().rows(path, "utf-8", ["meta.label"]))[1] == (2, [cell])


@pytest.mark.parametrize(
    ("names", "column", "message"),
    [
        (["a", "a"], "a", "two columns are named 'a'"),
        (["meta", "x"], "meta.lable", r"no column 'meta.lable' \(nearest: 'meta.label'"),
    ],
)
def test_parquet_columns_are_checked_before_rows(path: Path, names: list[str], column: str, message: str) -> None:
    columns = [pa.array([], pa.struct([("label", pa.string())])), pa.array([], pa.string())]
    pq.write_table(pa.Table.from_arrays(columns, names=names), path)
    with pytest.raises(InputError, match=message):
        list(Parquet().rows(path, "utf-8", [column]))


def with_classes(path: Path, numbers: list[int | None], metadata: str | None = None) -> None:
    """Write a table as Hugging Face's library does."""
    feature = {"names": ["sad", "glad"], "_type": "ClassLabel"}
    features = {"label": feature, "meta": {"label": feature}, "text": {"dtype": "string", "_type": "Value"}}
    table = pa.table({"label": numbers, "text": ["t"] * len(numbers), "meta": [{"label": n} for n in numbers]})
    kept = metadata or json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": kept}), path)


@pytest.mark.parametrize("column", ["label", "meta.label"])
def test_parquet_class_numbers_are_the_names_that_datasets_kept(path: Path, column: str) -> None:
    with_classes(path, [1, 0, -1, None])
    found = [cells for _, cells in Parquet().rows(path, "utf-8", ["text", column])]
    assert found == [["t", "glad"], ["t", "sad"], ["t", ""], ["t", ""]]


@pytest.mark.parametrize("number", [2, -2])
def test_parquet_class_number_without_a_name_is_told_with_its_row(path: Path, number: int) -> None:
    with_classes(path, [0, number])
    message = (
        rf"t, row 2: found '{number}' in column 'label', wanted a class of the 2 that the file names: 0 to 1, or -1"
    )
    with pytest.raises(InputError, match=message):
        list(Parquet().rows(path, "utf-8", ["label"]))


@pytest.mark.parametrize("metadata", ['{"info": {"features": [1]}}', '{"info": null}', "[]"])
def test_parquet_metadata_of_another_shape_name_no_classes(path: Path, metadata: str) -> None:
    with_classes(path, [1], metadata)
    assert list(Parquet().rows(path, "utf-8", ["label"])) == [(1, ["1"])]


def test_parquet_metadata_that_are_damaged_are_told(path: Path) -> None:
    with_classes(path, [1], "{")
    with pytest.raises(InputError, match="t: the entry 'huggingface' of its schema's metadata is not JSON"):
        list(Parquet().rows(path, "utf-8", ["label"]))


def test_folders_are_read_in_the_order_of_their_names(path: Path) -> None:
    for name in ("b/2.txt", "b/10.TXT", "a b/x.txt", "b/deep/y.txt", "b/notes.md", "top.txt", "B/z.txt"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"{name}\nmore\n")
    found = list(Folders().rows(path, "utf-8", ["name", "label", "text"]))
    assert found == [
        (1, ["z.txt", "B", "B/z.txt\nmore\n"]),
        (2, ["x.txt", "a b", "a b/x.txt\nmore\n"]),
        (3, ["10.TXT", "b", "b/10.TXT\nmore\n"]),
        (4, ["2.txt", "b", "b/2.txt\nmore\n"]),
    ]


def test_folders_hold_empty_texts_and_name_the_file_of_a_wrong_byte(path: Path) -> None:
    (path / "a").mkdir(parents=True)
    (path / "a/1.txt").touch()
    (path / "a/2.txt").write_bytes(b"caf\xe9")
    assert next(iter(Folders().rows(path, "utf-8", ["text"]))) == (1, [""])
    assert list(Folders().rows(path, "latin-1", ["text"]))[1] == (2, ["café"])
    with pytest.raises(InputError, match=r"t/a/2.txt, line 1, byte 3: found byte 0xe9"):
        list(Folders().rows(path, "utf-8", ["text"]))


def test_folders_refuse_a_text_beyond_the_longest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.formats.folders.LONGEST", 3)
    (path / "a").mkdir(parents=True)
    (path / "a/1.txt").write_bytes(b"four")
    with pytest.raises(InputError, match=r"t/a/1.txt: longer than 3 characters"):
        list(Folders().rows(path, "utf-8", ["text"]))
