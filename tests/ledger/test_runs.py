"""When two records are two runs, and how equal repeats came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.ledger.runs import Ledger, Repeat, ledger
from tests.ledger.history import History, Made

A = Made()
LATER = {"seconds": 600.2, "processor": "A"}


def runs(history: History) -> list[tuple[int, list[str]]]:
    return [(len(run.commits), run.names) for run in ledger(history.root).runs]


def repeated(history: History, *made: Made, **options: Any) -> Repeat:
    history.commit(*made)
    (found,) = ledger(history.root, **options).repeats
    return found


def test_a_commit_that_ran_nothing_is_the_run_of_its_parent(history: History) -> None:
    history.commit(A, A, A)
    assert runs(history) == [(3, ["main"])]
    assert ledger(history.root).repeats == ()


def test_a_branch_an_experiment_and_the_working_tree_may_hold_one_run(history: History) -> None:
    first = history.commit(A)
    history.experiment("calm-sea", A, first)
    for path, content in A.files().items():
        history.root.joinpath(path).parent.mkdir(exist_ok=True)
        history.root.joinpath(path).write_bytes(content)
    assert runs(history) == [(3, ["main", "calm-sea"])]


def test_the_working_tree_alone_is_a_run(history: History) -> None:
    for path, content in A.files().items():
        history.root.joinpath(path).parent.mkdir(exist_ok=True)
        history.root.joinpath(path).write_bytes(content)
    (run,) = ledger(history.root).runs
    assert (run.name, run.commits) == ("workspace", [""])


def test_equal_outputs_with_another_time_are_two_runs_that_repeat(history: History) -> None:
    found = repeated(history, A, A.but(environment=LATER))
    assert (found.verdict, found.stage, found.differences) == ("repeatable", None, {})
    assert [run.environment["seconds"] for run in found.runs] == [600.1, 600.2]
    assert found.environment == {}  # how long it took is no difference of environments


def test_an_environment_left_lying_is_not_that_of_a_cached_result(history: History) -> None:
    """A, then B, then A's params again: DVC takes A from its cache, and nothing writes B's environment anew."""
    history.commit(A, A.but(lr=1e-4, weights="b", environment=LATER), A.but(environment=LATER))
    assert runs(history) == [(2, ["main"]), (1, [])]


def test_other_outputs_beside_a_left_environment_are_a_run_of_unknown_environment(history: History) -> None:
    found = repeated(history, A, A.but(weights="x", accuracy=0.5))
    assert [bool(run.environment) for run in found.runs] == [True, False]


def test_without_environment_equal_records_are_one_run(history: History) -> None:
    history.commit(A.but(environment=None), A)
    assert runs(history) == [(2, ["main"])]
    assert ledger(history.root).runs[0].environment == A.environment


def test_another_scoring_of_one_training_is_a_run_and_no_repeat(history: History) -> None:
    history.commit(A, {**A.files(), "dvc.lock": A.files()["dvc.lock"].replace(b"bootstrap: 1000", b"bootstrap: 500")})
    found = ledger(history.root)
    assert len(found.runs) == 2
    assert found.repeats == ()
    assert found.runs[1].environment == A.environment


@pytest.mark.parametrize(
    ("accuracy", "verdict"), [(0.97, "close"), (0.9705, "close"), (0.975, "NOT REPEATABLE"), (0.5, "NOT REPEATABLE")]
)
def test_other_bits_are_close_or_not_repeatable(history: History, accuracy: float, verdict: str) -> None:
    found = repeated(history, A, A.but(weights="x", accuracy=accuracy, environment=LATER))
    assert (found.verdict, found.stage) == (verdict, "finetune")
    assert list(found.differences) == ["evaluate.accuracy"] * (accuracy != 0.97)


def test_the_tolerance_can_be_another(history: History) -> None:
    other = A.but(weights="x", accuracy=0.9705, environment=LATER)
    assert repeated(history, A, other, tolerance=1e-4).verdict == "NOT REPEATABLE"


def test_what_has_no_metrics_to_compare_is_not_called_close(history: History) -> None:
    other = A.but(weights="x", environment=LATER).files()
    del other["metrics/evaluate.json"]
    history.commit(A, other)
    (found,) = ledger(history.root).repeats
    assert (found.verdict, found.missing) == ("NOT REPEATABLE", ("evaluate.accuracy",))


def test_metrics_committed_later_belong_to_the_run(history: History) -> None:
    early = A.files()
    del early["metrics/evaluate.json"]
    history.commit(early, A)
    (run,) = ledger(history.root).runs
    assert run.record.metrics == {"evaluate.accuracy": 0.97}


def test_all_runs_of_a_triple_are_compared(history: History) -> None:
    found = repeated(history, *(A.but(accuracy=a, environment={"seconds": a}) for a in (0.97, 0.98, 0.96)))
    assert len(found.runs) == 3
    assert found.differences == {"evaluate.accuracy": pytest.approx(0.02)}


def test_what_differs_in_the_environments_is_told(history: History) -> None:
    found = repeated(history, A, A.but(environment={"seconds": 1.5, "processor": "B", "packages": {"torch": "3"}}))
    assert found.environment == {"processor": ("A", "B"), "packages.torch": ("unknown", "3")}


def test_a_lock_that_mixes_runs_repeats_nothing(history: History) -> None:
    mixed = A.but(environment=LATER).files()
    mixed["dvc.lock"] = mixed["dvc.lock"].replace(b"max_length: 96", b"max_length: 96\n        seed: 1")
    history.commit(A, mixed)
    found: Ledger = ledger(history.root)
    assert len(found.runs) == 2
    assert found.runs[1].record.faults
    assert found.repeats == ()


def test_a_broken_lock_is_told_once_and_left_out(history: History) -> None:
    first = history.commit({"dvc.lock": b"<<<<<<< HEAD"}, {"dvc.lock": b"<<<<<<< HEAD"}, A)
    found = ledger(history.root)
    assert len(found.runs) == 1
    (problem,) = found.problems
    assert problem.startswith(f"commit {history.git('rev-parse', f'{first}~2')[:7]}: dvc.lock: ")


def test_no_runs_make_an_empty_ledger(history: History, tmp_path: Path) -> None:
    assert ledger(history.root) == Ledger((), (), ())
