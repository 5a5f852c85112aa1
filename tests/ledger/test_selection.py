"""Conditions, order and columns."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.ledger import selection
from stages.ledger.history import Snapshot
from stages.ledger.record import read
from stages.ledger.runs import Ledger, Run
from stages.ledger.selection import Row
from tests.ledger.history import Made
from tests.ledger.test_record import NOWHERE

SIGNS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def table(*made: Made) -> list[Row]:
    records = [read(Snapshot("", (), each.files()), NOWHERE) for each in made]
    runs = [Run(r, r.environment, [f"{n}" * 40], [f"run-{n}"]) for n, r in enumerate(records)]
    return selection.rows(Ledger(tuple(runs), (), ()))


def names(rows: list[Row]) -> list[str]:
    return [row.values["name"] for row in rows]


def met(made: list[Made], *conditions: str) -> list[str]:
    rows = table(*made)
    return names(selection.where(rows, conditions, selection.keys(rows)))


MADE = [
    Made(lr=3e-5, params={"schedule": "linear", "clip": 1.0, "betas": [0.9, 0.99]}),
    Made(lr=0.001, params={"schedule": "cosine", "clip": None}),
    Made(lr=1, accuracy=0.5, params={"schedule": "true", "on": True}),
]


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("train.lr=3e-5", [0]),
        ("train.lr=0.00003", [0]),
        ("train.lr = 3.0E-5", [0]),
        ("train.lr=1.0", [2]),
        ("train.lr!=1e-3", [0, 2]),
        ("train.lr<0.001", [0]),
        ("train.lr<=0.001", [0, 1]),
        ("train.lr>=1e-3", [1, 2]),
        ("train.schedule=cosine", [1]),
        ("train.schedule>cosine", [0, 2]),
        ("train.schedule='true'", [2]),
        ("train.schedule=true", []),
        ("train.on=true", [2]),
        ("train.on=1", []),
        ("train.on!=true", [0, 1]),
        ("train.clip=null", [1]),
        ("train.clip>0.5", [0]),
        ("train.clip!=1", [1, 2]),
        ("train.betas=[0.9, 0.99]", [0]),
        ("evaluate.accuracy>0.9", [0, 1]),
        ("environment.processor=A", [0, 1, 2]),
        ("name=run-1", [1]),
        ("commit=0000000", [0]),
    ],
)
def test_conditions_compare_as_yaml_1_2(condition: str, wanted: list[int]) -> None:
    assert met(MADE, condition) == [f"run-{n}" for n in wanted]


def test_all_conditions_must_be_met() -> None:
    assert met(MADE, "train.lr>1e-4", "evaluate.accuracy>0.9") == ["run-1"]


@given(
    have=st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False),
    wanted=st.floats(allow_nan=False, allow_infinity=False),
    sign=st.sampled_from(sorted(SIGNS)),
)
def test_numbers_compare_as_numbers(have: float, wanted: float, sign: str) -> None:
    row = Row(None, {"x": have})  # type: ignore[arg-type]
    assert bool(selection.where([row], [f"x{sign}{wanted!r}"], ["x"])) == SIGNS[sign](have, wanted)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("train.lr", "found 'train.lr', wanted KEY=VALUE"),
        ("=3", "found '=3', wanted KEY=VALUE"),
        ("train.lt=1", r"no run has 'train.lt' \(nearest: 'train.lr'"),
        ("train.schedule<3", 'train.schedule is "linear", which has no order with 3'),
        ("train.lr<fast", 'train.lr is 3e-05, which has no order with "fast"'),
        ("train.lr=[", "--where train.lr=.*not valid YAML"),
    ],
)
def test_what_is_no_condition_is_refused(condition: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        met(MADE, condition)


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("train.lr", [0, 1, 2]),
        ("-train.lr", [2, 1, 0]),
        ("evaluate.accuracy", [2, 0, 1]),
        ("-evaluate.accuracy", [0, 1, 2]),
        ("train.clip", [0, 1, 2]),
        ("-train.schedule", [2, 0, 1]),
    ],
)
def test_rows_are_ordered_and_what_has_no_value_comes_last(key: str, wanted: list[int]) -> None:
    rows = table(*MADE)
    assert names(selection.ordered(rows, key, selection.keys(rows))) == [f"run-{n}" for n in wanted]


def test_an_unknown_key_to_sort_by_is_refused() -> None:
    rows = table(*MADE)
    with pytest.raises(InputError, match=r"--sort: no run has 'train.rl' \(nearest: 'train.lr'"):
        selection.ordered(rows, "-train.rl", selection.keys(rows))


def shown(*made: Made) -> tuple[list[str], int]:
    rows = table(*made)
    return selection.columns(rows, sorted({key for row in rows for key in row.run.record.parameters}))


def test_columns_are_the_params_that_differ_and_the_headline() -> None:
    fixed = ["name", "commit", "generator", "data"]
    assert shown(Made()) == ([*fixed, "evaluate.accuracy"], 0)
    assert shown(Made(), Made(lr=1, url="b")) == ([*fixed, "train.lr", "evaluate.accuracy"], 0)


def test_a_param_that_some_runs_lack_differs() -> None:
    assert "train.new" in shown(Made(), Made(params={"new": None}))[0]


def test_columns_of_params_are_few_and_the_rest_is_counted() -> None:
    many: dict[str, Any] = {f"p{n:02}": n for n in range(12)}
    columns, left = shown(Made(params=many), Made(params=dict.fromkeys(many, -1)))
    assert (sum(key.startswith("train.p") for key in columns), left) == (selection.MOST_PARAMS, 4)


def test_faults_and_notes_have_a_column() -> None:
    files = {**Made().files(), "metrics/evaluate.json": b"{}"}
    run = Run(read(Snapshot("", (), files), NOWHERE), {}, [""])
    rows = selection.rows(Ledger((run,), (), ()))
    assert selection.columns(rows, [])[0][-1] == "note"
    assert rows[0].values["note"] == "metrics/evaluate.json is not that of dvc.lock"
