"""The same texts from whatever format; by the keys of training where the file is of training's format."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.core.errors import InputError
from stages.formats.csv import Csv
from stages.formats.jsonl import Jsonl
from stages.formats.parquet import Parquet
from stages.formats.tsv import Tsv
from stages.inputs.pair import Pair
from stages.inputs.text import Text
from stages.inputs.words import Words
from stages.interfaces import Format, Input
from stages.predicting.reading import INPUT, opened
from stages.predicting.reading import Reading as Manner
from stages.predicting.reading import reading as manner

NOTHING = dict.fromkeys(["format", "delimiter", "header", "column", "encoding"])
TEXT = Text()
TEXTS = ["one", 'two, "three"', "four; five"]
TRAINED = """\
seed: 1
data:
  format: {name: csv, delimiter: ;, header: [id, Text]}
  encoding: latin-1
  files: {train: a}
  columns: {text: Text, label: Kategorie}
"""


def reading(path: Path, asked: dict[str, Any], params: Path, example: Input = TEXT) -> Manner:
    column = asked["column"]
    return manner(path, asked | {"column": [column] if isinstance(column, str) else column}, example, params)


def Reading(format: Format | None, encoding: str, column: str = "") -> Manner:
    return Manner(format, encoding, Text(), {"text": column or "text"} if format else {})


def texts(path: Path, params: Path = Path("none"), **asked: Any) -> list[str]:
    return [text for (text,) in reading(path, NOTHING | asked, params).examples(path)]


def written(folder: Path) -> list[Path]:
    """Return files that hold TEXTS in a column `words`, one of every format."""
    table = io.StringIO()
    csv.writer(table).writerows([["id", "words"], *enumerate(TEXTS)])
    rows = [{"words": f"  {text}"} for text in TEXTS]
    content = {
        "a.txt": "\r\n".join(TEXTS).encode(),
        "a.csv": table.getvalue().encode(),
        "a.csv.gz": gzip.compress(table.getvalue().encode()),
        "a.tsv": "".join(f"{text}\n" for text in ["words", *TEXTS]).encode(),
        "a.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows).encode(),
        "a.ndjson.BZ2": bz2.compress("".join(f"{json.dumps(row)}\n" for row in rows).encode()),
        "a.json": json.dumps(rows).encode(),
        "a.tab": "".join(f"{text}\n" for text in ["words", "string", "meta", *TEXTS]).encode(),
    }
    for name, data in content.items():
        folder.joinpath(name).write_bytes(data)
    pq.write_table(pa.table({"words": TEXTS}), folder / "a.parquet")
    return [folder / name for name in (*content, "a.parquet")]


def test_every_format_gives_the_same_texts(tmp_path: Path) -> None:
    for path in written(tmp_path):
        column = {} if path.suffix == ".txt" else {"column": "words"}
        assert texts(path, **column) == TEXTS, path


def test_a_folder_is_read_class_by_class(tmp_path: Path) -> None:
    for name in ("b/2.txt", "a/1.txt", "b/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    assert texts(tmp_path) == ["a/1.txt", "b/1.txt", "b/2.txt"]


def test_a_file_of_the_format_of_training_is_read_by_its_keys(tmp_path: Path) -> None:
    params, path = tmp_path / "params.yaml", tmp_path / "new.csv"
    params.write_text(TRAINED)
    path.write_bytes(b"1;caf\xe9\n2;x, y\n")
    trained = Reading(Csv(";", ("id", "Text")), "latin-1", "Text")
    assert reading(path, NOTHING, params) == trained
    assert reading(INPUT, NOTHING | {"format": "csv"}, params) == trained
    assert texts(path, params) == ["café", "x, y"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"delimiter": ","}, Reading(Csv(",", ("id", "Text")), "latin-1", "Text")),
        ({"header": True, "column": "x"}, Reading(Csv(";", True), "latin-1", "x")),
        ({"header": ["a", "b"], "encoding": "utf-8"}, Reading(Csv(";", ("a", "b")), "utf-8", "Text")),
        ({"format": "tsv", "header": False, "column": "2"}, Reading(Tsv(False), "utf-8", "2")),
        ({"format": "jsonl"}, Reading(Jsonl(), "utf-8")),
        ({"format": "text"}, Reading(None, "utf-8")),
    ],
)
def test_options_stand_in_the_place_of_keys(tmp_path: Path, asked: dict[str, Any], found: Reading) -> None:
    (tmp_path / "params.yaml").write_text(TRAINED)
    assert reading(Path("a.csv"), NOTHING | asked, tmp_path / "params.yaml") == found


@pytest.mark.parametrize(
    "tree", ["", "a: 1\n", "data: [x]\n", "data: {format: csv}\n", "data: {format: {name: tsv}}\n"]
)
def test_another_params_file_says_nothing_of_it(tmp_path: Path, tree: str) -> None:
    (tmp_path / "params.yaml").write_text(tree)
    assert reading(Path("a.csv"), NOTHING, tmp_path / "params.yaml") == Reading(Csv(), "utf-8")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": "jsnol"}, "--format: unknown format 'jsnol' (nearest: 'jsonl', 'json')"),
        ({"delimiter": ";;"}, 'options: data.format.delimiter: found ";;", wanted '),
        ({"format": "jsonl", "delimiter": ";"}, "options: data.format.delimiter: unknown key"),
        ({"format": "text", "header": False}, "--header: a.csv is read as lines of text, which have no columns"),
    ],
)
def test_options_that_do_not_fit_are_told(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        reading(Path("a.csv"), NOTHING | asked, Path("none"))
    assert str(caught.value).startswith(said)


def test_keys_of_training_that_are_wrong_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(TRAINED.replace("latin-1", "latin-0"))
    with pytest.raises(InputError, match=r"params.yaml, line 4: data.encoding: unknown text encoding 'latin-0'"):
        reading(Path("a.csv"), NOTHING, tmp_path / "params.yaml")


def test_the_suffix_tells_the_format_and_a_pipe_is_lines_of_text(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.doc").touch()
    assert isinstance(reading(Path("a.NDJSON.xz"), NOTHING, Path("none")).format, Jsonl)
    for pipe in (INPUT, tmp_path / "pipe"):
        assert reading(pipe, NOTHING, Path("none")) == Reading(None, "utf-8", "")
    with pytest.raises(InputError, match=r"a\.doc: its suffix tells no format: say which with --format: text, tab"):
        reading(tmp_path / "a.doc", NOTHING, Path("none"))


def test_parquet_can_be_piped(tmp_path: Path) -> None:
    pipe, kept = tmp_path / "pipe", tmp_path / "kept"
    os.mkfifo(pipe)
    pq.write_table(pa.table({"text": TEXTS}), kept)
    for _ in range(2):
        threading.Thread(target=pipe.write_bytes, args=(kept.read_bytes(),)).start()
        with pytest.raises(InputError) as caught, opened(pipe, Reading(Parquet(), "utf-8", "text")) as path:
            assert list(Reading(Parquet(), "utf-8", "text").examples(path)) == [(text,) for text in TEXTS]
            list(Reading(Parquet(), "utf-8", "txet").examples(path))
        assert str(caught.value) == f"{pipe}: no column 'txet' (nearest: 'text')"


def test_a_pipe_of_lines_names_line_and_byte_of_a_fault(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"one\nt\xffo\n",)).start()
    with pytest.raises(InputError, match=r"pipe, line 2, byte 5: found byte 0xff, which cannot be utf-8"):
        texts(tmp_path / "pipe")


def test_an_empty_line_is_an_input(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n\n three \n")
    assert texts(path) == ["one", "", "three"]
    path.write_bytes(b"one\r\n")
    assert texts(path) == ["one"]


def test_texts_are_cleaned_as_in_training(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("  cafe\u0301\t\n")
    assert texts(path) == ["caf\u00e9"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "a.txt: empty file"),
        ("a.csv", b"text\n", "a.csv: no rows"),
        ("a.txt", b"one\rtwo\r", "a.txt, line 1: found a carriage return alone; if these are its line ends, mend them"),
        ("a.txt", b"one\ntw\xffo\n", "a.txt, line 2, byte 6: found byte 0xff"),
        ("a.csv", b"id,txet\n1,x\n", "a.csv: no column 'text' (nearest: 'txet')"),
        (
            "a.csv",
            b"id;text\n1;x\n",
            "a.csv: no column 'text' (nearest: 'id;text'); the line seems to be divided by ';': set --d",
        ),
        ("a.csv", b"id,text\n1,x\n2\n", "a.csv, line 3: found 1 column, wanted 2"),
        ("a.jsonl", b'{"text": "x"}\n{"text": \n', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", b'{"text": "x"}\n{"text": 1.5}\n', "a.jsonl, line 2: found the number 1.5 in column 'text'"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "a.jsonl, line 1: found half a surrogate pair"),
        ("a.parquet", b"PAR", "a.parquet: not a readable Parquet file"),
    ],
)
def test_bad_input_names_file_and_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        texts(path)
    assert str(caught.value).startswith(f"{tmp_path}/{said}")


def test_each_field_has_its_column(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\tfirst\nx\ty\tz\n")
    found = reading(path, NOTHING | {"column": ["second=b"]}, Path("none"), Pair())
    assert list(found.examples(path)) == [("z", "y")]
    with pytest.raises(InputError, match=r"^--column: found 'frist=a', wanted FIELD=NAME \(nearest: 'first'\)$"):
        reading(path, NOTHING | {"column": ["frist=a"]}, Path("none"), Pair())
    with pytest.raises(InputError, match="is read as lines of text, but this model wants first and second; give"):
        reading(INPUT, NOTHING, Path("none"), Pair())


def test_words_of_a_line_are_apart_by_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("EU  rejects\n")
    found = reading(path, NOTHING, Path("none"), Words())
    assert list(found.examples(path)) == [(("EU", "rejects"),)]
    path.write_text("EU\n\n")
    with pytest.raises(InputError, match=r"a\.txt, line 2: words is empty"):
        list(found.examples(path))
