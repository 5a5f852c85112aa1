"""SQuAD 1.1 and 2.0: a row a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.formats.cells import NoColumn
from stages.formats.squad import COLUMNS, Squad

ONE = {
    "id": "a1",
    "question": "who?",
    "answers": [{"text": "gull", "answer_start": 4}, {"text": "a", "answer_start": 0}],
}
TWO = {
    "id": 7,
    "question": "when?",
    "answers": [],
    "plausible_answers": [{"text": "gull", "answer_start": 4}],
    "is_impossible": True,
}


def tree(*asked: Any) -> dict[str, Any]:
    return {"version": "2", "data": [{"title": "Birds", "paragraphs": [{"context": "the gull ", "qas": list(asked)}]}]}


def read(tmp_path: Path, content: Any, *columns: str) -> list[tuple[int, list[Any]]]:
    path = tmp_path / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return list(Squad().rows(path, "utf-8", columns or COLUMNS))


def test_questions(tmp_path: Path) -> None:
    assert read(tmp_path, tree(ONE, TWO)) == [
        (1, ["a1", "Birds", "the gull ", "who?", ["gull", "a"], ["4", "0"], "false"]),
        (2, ["7", "Birds", "the gull ", "when?", [], [], "true"]),
    ]
    assert read(tmp_path, tree(ONE), "starts", "question") == [(1, [["4", "0"], "who?"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON: "),
        ([], "found None at 'data', wanted a list, as SQuAD has it"),
        ({"data": [{"paragraphs": {}}]}, "data: found {} at 'paragraphs', wanted a list"),
        (tree({"id": 1}), "qas: found None at 'question', wanted a text"),
        (tree({**ONE, "answers": [{"text": "x"}]}), "answers: found None at 'answer_start', wanted a whole number"),
        (tree(), "holds no question"),
    ],
)
def test_what_is_no_squad_is_told(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_an_unknown_column_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoColumn, match="no column 'passage'"):
        read(tmp_path, tree(ONE), "passage")
