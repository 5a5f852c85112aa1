"""Format conll: a word a line, a sentence a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.formats.cells import NoColumn
from stages.formats.conll import Conll

THREE = Conll(("word", "pos", "tag"))
TEXT = """-DOCSTART- -X- O

EU NNP B-ORG
rejects VBZ O

Peter NNP B-PER
EMPTY
x O O
""".replace("EMPTY", "\t ")


def rows(path: Path, content: str, reader: Conll = THREE, *columns: str) -> list[object]:
    path.write_bytes(content.encode())
    return list(reader.rows(path, "utf-8", columns or ("word", "tag")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.txt"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_row_is_a_sentence_from_its_first_line(path: Path, end: str) -> None:
    assert rows(path, TEXT.replace("\n", end)) == [
        (3, [["EU", "rejects"], ["B-ORG", "O"]]),
        (6, [["Peter"], ["B-PER"]]),
        (8, [["x"], ["O"]]),
    ]


def test_a_tab_between_columns_leaves_blanks_within_a_word(path: Path) -> None:
    reader = Conll(("word", "tag"), "tab")
    assert rows(path, "New York\tB-LOC\n\t\nx\tO\n", reader, "word") == [(1, [["New York"]]), (3, [["x"]])]


def test_a_sentence_ends_with_the_file(path: Path) -> None:
    assert rows(path, "a b c") == [(1, [["a"], ["c"]])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b c\nd e\n", r"t.txt, line 2: 2 columns, wanted 3: word, pos, tag \(data.format.columns; separator blank"),
        ("a b c\nd e f g\n", "t.txt, line 2: 4 columns, wanted 3"),
        ("\n\n", "t.txt: holds no sentence"),
        ("a b c\rd e f\r", "t.txt, line 1: found a carriage return alone"),
        ("a b \x00\n", "t.txt, line 1: found a NUL character"),
    ],
)
def test_faults_are_told_with_their_line(path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(path, content)


def test_a_column_that_is_not_named_is_told_with_the_nearest(path: Path) -> None:
    with pytest.raises(NoColumn, match=r"no column 'tags' \(nearest: 'tag'\)"):
        rows(path, TEXT, THREE, "tags")
