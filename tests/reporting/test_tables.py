"""Tables as columns, and what is refused with file and line."""

from __future__ import annotations

import math

import pytest

from stages.core.errors import InputError
from stages.reporting.tables import Shape, parse

SHAPE = Shape(("x",), ("word",))


def test_columns_are_typed_and_others_left_out() -> None:
    assert parse("word\tmore\tx\na\t?\t1.5\n\t?\t2\n", "f.tsv", SHAPE) == {"word": ["a", ""], "x": [1.5, 2.0]}


def test_other_columns_may_be_read_too() -> None:
    assert parse("x\tmore\n1\t2\n", "f.tsv", Shape(("x", "…"))) == {"x": [1.0], "more": [2.0]}
    assert parse("x\tmore\n1\t2\n", "f.tsv", Shape(("x",), ("…",))) == {"more": ["2"], "x": [1.0]}


def test_an_empty_number_is_nan() -> None:
    assert math.isnan(parse("word\tx\na\t\n", "f.tsv", SHAPE)["x"][0])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "f.tsv: no column word, x: run dvc repro"),
        ("word\ty\n", "f.tsv: no column x: run dvc repro"),
        ("word\tx\na\t1\nb\n", "f.tsv, line 3: 1 cells, wanted 2: run dvc repro"),
        ("word\tx\na\tmany\n", "f.tsv, line 2, column x: found 'many', wanted a number: run dvc repro"),
    ],
)
def test_what_is_no_such_table_is_refused(content: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        parse(content, "f.tsv", SHAPE)
    assert str(error.value) == said
