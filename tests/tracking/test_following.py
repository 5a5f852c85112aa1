"""The follower: every step once, with its validation, whatever the files go through."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.tracking.following import Follower

STEPS = "step\tepoch\tloss\tlr\tgrad_norm\n"
VALIDATION = "step\tepoch\tloss\taccuracy\tmacro_f1\n"


def write(folder: Path, steps: str, validation: str = VALIDATION) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "steps.tsv").write_text(steps)
    (folder / "validation.tsv").write_text(validation)


def line(step: int) -> str:
    return f"{step}\t0.5\t{step}.5\t0.001\t2.0\n"


def test_a_step_comes_with_its_validation_and_without_step_and_epoch(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "f")
    write(tmp_path / "f", STEPS + line(1), VALIDATION + "1\t0.5\t0.3\t0.9\t0.8\n")
    assert list(follower.new(ended=True)) == [
        (1, {"train/loss": 1.5, "train/lr": 0.001, "train/grad_norm": 2.0,
             "validation/loss": 0.3, "validation/accuracy": 0.9, "validation/macro_f1": 0.8}),
    ]  # fmt: skip


def test_the_newest_step_waits_for_its_validation(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    write(tmp_path, STEPS + line(1) + line(2))
    assert [step for step, _ in follower.new()] == [1]
    write(tmp_path, STEPS + line(1) + line(2) + line(3), VALIDATION + "2\t1.0\t0.3\t0.9\t0.8\n")
    assert [(step, "validation/loss" in values) for step, values in follower.new()] == [(2, True)]
    assert [step for step, _ in follower.new(ended=True)] == [3]
    assert follower.last == 3


def test_curves_of_an_earlier_run_are_not_shown(tmp_path: Path) -> None:
    write(tmp_path, STEPS + line(1) + line(2))
    follower = Follower(tmp_path)
    assert list(follower.new(ended=True)) == []


def test_a_run_that_goes_on_shows_nothing_twice(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    write(tmp_path, STEPS + line(1) + line(2) + line(3) + line(4))
    assert [step for step, _ in follower.new()] == [1, 2, 3]
    write(tmp_path, STEPS + line(1) + line(2))
    assert list(follower.new()) == []
    (tmp_path / "steps.tsv").unlink()
    assert list(follower.new()) == []
    write(tmp_path, STEPS + "".join(map(line, range(1, 6))))
    assert [step for step, _ in follower.new(ended=True)] == [4, 5]


@given(st.lists(st.integers(0, 200), max_size=12))
def test_bytes_that_arrive_in_any_pieces_give_every_step_once(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("curves")
    follower = Follower(folder)
    text = STEPS + "".join(map(line, range(1, 8)))
    found = []
    for cut in sorted(cuts):
        write(folder, text[:cut], "")
        found += [(step, values["train/loss"]) for step, values in follower.new()]
    write(folder, text)
    found += [(step, values["train/loss"]) for step, values in follower.new(ended=True)]
    assert found == [(step, step + 0.5) for step in range(1, 8)]
