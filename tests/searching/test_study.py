"""Which trials are made, and that a stop changes nothing: on a made-up training that takes no time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages import search
from stages.core import yaml12
from stages.core.errors import InputError
from stages.searching.space import Choice, Range, Space
from stages.searching.study import Study
from stages.searching.trial import Outcome, Point, Watch
from tests.stub import ROOT

SPACE: Space = {"train.lr": Range("log", 1e-5, 1e-1), "train.batch_size": Choice((8, 16))}
TREE = yaml12.read(ROOT / "params.yaml")[0]
EPOCHS = TREE["train"]["epochs"]


class Killed(BaseException):
    """What kill -9 is to the process: nothing after it is done."""


class Made:
    """Stands for DVC and the training: the best rate is 1e-3; it can be killed, and can fail."""

    def __init__(self, killed: Sequence[int] = (), failing: Sequence[int] = ()) -> None:
        self.killed, self.failing = list(killed), failing
        self.ran: list[tuple[str, tuple[str, ...]]] = []

    def run(self, name: str, options: Sequence[str], watch: Watch) -> Outcome:
        self.ran.append((name, tuple(options)))
        if int(name[-3:]) in self.failing:
            return Outcome(failure="finetune: error: training diverged")
        rate = float(options[1].partition("=")[2])
        found = Outcome()
        for epoch in range(1, EPOCHS + 1):
            score = 1 - abs(math.log10(rate / 1e-3)) / 4 - 0.1 / epoch
            found.points.append(Point(epoch, {"loss": 1 - score, "macro_f1": score}))
            stopped = watch(found.points[-1])
            if len(self.ran) - 1 in self.killed:
                raise Killed
            if stopped:
                return Outcome(found.points, stopped=True)
        found.scores = dict(found.points[-1].scores)
        return found


def study(folder: Path, **changes: Any) -> Study:
    asked: dict[str, Any] = {
        "name": "s",
        "space": SPACE,
        "metric": "macro_f1",
        "better": "higher",
        "seed": 0,
        "base": "b",
    }
    folder.mkdir(exist_ok=True)
    return Study(folder, **{**asked, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Made]:
    """Return a search of 8 trials, which nothing stopped."""
    made, one = Made(), study(tmp_path_factory.mktemp("whole"))
    search.search(one, made, TREE, 8)  # type: ignore[arg-type]
    return one, made


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a search that was begun."""
    folder = tmp_path_factory.mktemp("begun")
    study(folder)
    return folder


def test_the_best_of_the_complete_is_chosen(whole: tuple[Study, Made]) -> None:
    tried, best = whole[0].tried(), whole[0].best()
    assert len(tried) == 8
    complete = [t for t in tried if t.state == "complete"]
    assert best == max(complete, key=lambda t: t.score or 0)


def test_trials_that_do_not_come_up_are_pruned_but_never_at_the_last_epoch(whole: tuple[Study, Made]) -> None:
    pruned = [t for t in whole[0].tried() if t.state == "pruned"]
    assert pruned
    assert all(t.epochs < EPOCHS for t in pruned)
    assert all(t.state == "complete" for t in whole[0].tried()[:4])


def test_values_have_few_digits_and_are_in_the_space(whole: tuple[Study, Made]) -> None:
    for t in whole[0].tried():
        assert 1e-5 <= t.values["train.lr"] <= 1e-1
        assert t.values["train.lr"] == float(f"{t.values['train.lr']:.4g}")
        assert t.values["train.batch_size"] in (8, 16)


def test_a_search_that_is_killed_again_and_again_tries_the_same(whole: tuple[Study, Made], tmp_path: Path) -> None:
    made = Made(killed=(0, 3, 8))
    deaths = 0
    while True:
        try:
            search.search(study(tmp_path), made, TREE, 8)  # type: ignore[arg-type]
            break
        except Killed:
            deaths += 1
    assert deaths == 3
    assert study(tmp_path).tried() == whole[0].tried()
    assert made.ran[0] == made.ran[1]
    assert list(dict.fromkeys(made.ran)) == whole[1].ran


def test_more_trials_go_on_from_those_there_are(whole: tuple[Study, Made], tmp_path: Path) -> None:
    search.search(study(tmp_path), Made(), TREE, 3)  # type: ignore[arg-type]
    made = Made()
    search.search(study(tmp_path), made, TREE, 5)  # type: ignore[arg-type]
    assert made.ran == whole[1].ran[3:5]


def test_a_failed_trial_is_told_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = study(tmp_path)
    search.search(one, Made(failing=(1,)), TREE, 3)  # type: ignore[arg-type]
    assert [t.state for t in one.tried()] == ["complete", "failed", "complete"]
    assert "  failed: finetune: error: training diverged\n" in capsys.readouterr().err
    assert one.tried()[1].failure == "finetune: error: training diverged"


def test_values_that_do_not_go_together_fail_before_they_run(tmp_path: Path) -> None:
    clash: Space = {"train.batch_size": Choice((8, 16)), "train.shard_size": Choice((8, 16))}
    made, one = Made(), study(tmp_path, space={"train.lr": Range("log", 1e-5, 1e-1), **clash})
    search.search(one, made, TREE, 8)  # type: ignore[arg-type]
    failed = [t for t in one.tried() if t.state == "failed"]
    assert failed
    assert all((t.values["train.batch_size"], t.values["train.shard_size"]) == (8, 16) for t in failed)
    assert "batch_size 8 is not a multiple of shard_size 16" in failed[0].failure
    assert len(made.ran) == 8 - len(failed)


def test_the_report_says_by_what_and_how_to_go_on(whole: tuple[Study, Made]) -> None:
    said = search.report(whole[0], TREE)
    best = whole[0].best()
    assert best is not None
    assert "chosen by macro_f1 of the validation rows (more is better); no trial ran evaluate" in said
    lr, batch = best.values["train.lr"], best.values["train.batch_size"]
    assert f"    dvc exp run -S train.lr={lr} -S train.batch_size={batch}\n" in said
    assert said.splitlines()[4].startswith(best.name)


def test_a_loss_is_made_small(tmp_path: Path) -> None:
    one = study(tmp_path, metric="loss", better="lower")
    search.search(one, Made(), TREE, 2)  # type: ignore[arg-type]
    best = one.best()
    assert best is not None
    assert best.score == min(t.score for t in one.tried() if t.score is not None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metric": "loss"}, 'was begun with metric "macro_f1"'),
        ({"seed": 1}, "was begun with seed 0"),
        ({"base": "x"}, "was begun with other params, code or packages"),
        ({"space": {"train.lr": Range("log", 1e-5, 1e-2)}}, "was begun with space"),
    ],
)
def test_another_search_of_the_same_name_is_refused(begun: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        study(begun, **change)
    assert said in str(refused.value)
