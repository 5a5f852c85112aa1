"""Blocks of SemEval-2010 task 8: sentences in quotes, relations, comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.formats.cells import NoColumn
from stages.formats.semeval import Semeval

WHOLE = '1\t"The <e1>cup</e1> holds "tea" <e2>leaves</e2>."\r\nContent-Container(e2,e1)\r\nComment: no\r\n\r\n'
BARE = '8\t"An <e1>a</e1> of <e2>b</e2>."\n9\t"A <e1>c</e1>, <e2>d</e2>."\n'


def read(tmp_path: Path, text: str, *columns: str) -> list[tuple[int, list[object]]]:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    return list(Semeval().rows(path, "utf-8", columns))  # type: ignore[arg-type]


def test_blocks(tmp_path: Path) -> None:
    text = WHOLE + '2\t"A <e1>b</e1> <e2>c</e2>"\nOther\nComment:\n'
    assert read(tmp_path, text, "relation", "sentence", "comment", "number") == [
        (1, ["Content-Container(e2,e1)", 'The <e1>cup</e1> holds "tea" <e2>leaves</e2>.', "no", "1"]),
        (5, ["Other", "A <e1>b</e1> <e2>c</e2>", "", "2"]),
    ]


def test_sentences_alone(tmp_path: Path) -> None:
    assert [cells[0] for _, cells in read(tmp_path, BARE, "sentence")] == [
        "An <e1>a</e1> of <e2>b</e2>.",
        "A <e1>c</e1>, <e2>d</e2>.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 no tab\n", "line 1: found '1 no tab', wanted a number, a tab and a sentence in quotes"),
        (WHOLE + "Other\n", "line 5: found 'Other', wanted nothing more"),
        ("\n \n", "holds no sentence"),
    ],
)
def test_what_is_no_block_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, "sentence")


def test_an_unknown_column_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoColumn, match="no column 'sentense' .nearest: 'sentence'"):
        read(tmp_path, WHOLE, "sentense")
