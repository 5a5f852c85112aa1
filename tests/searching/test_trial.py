"""What is read of a trial: its curve, its lock, its failure."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.processes import started
from stages.searching.trial import Point, Runner, _failure, holder, points

CURVE = "step\tepoch\tloss\taccuracy\tmacro_f1\n5\t0.5\t0.9\t0.5\t0.4\n"


@pytest.mark.parametrize("torn", ["", "10\t1.0\t0.8", "10\t1.0\t0.8\t0.6\t0.5"])
def test_a_line_that_is_being_written_is_not_read(torn: str) -> None:
    assert list(points(CURVE + torn)) == [Point(0.5, {"loss": 0.9, "accuracy": 0.5, "macro_f1": 0.4})]


@pytest.mark.parametrize("text", ["", "step\tep"])
def test_a_curve_that_has_not_begun_has_no_points(text: str) -> None:
    assert list(points(text)) == []


def test_a_lock_tells_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "finetune.lock"
    assert holder(path) is None
    path.write_text(f"{os.getpid()}\n")
    assert holder(path) is None
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert holder(path) == os.getpid()


def test_a_search_that_runs_is_not_run_twice(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()} {started(os.getpid())}\n"
    with pytest.raises(InputError, match=rf"^this search is already running \(process {os.getpid()}\)"):
        Runner(tmp_path)
    runner._lock.close()
    Runner(tmp_path)._lock.close()


@pytest.mark.parametrize("text", ["", "1\n", "{pid} 1\n", "1 1\n"])
def test_a_number_that_is_another_process_now_is_no_search(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its trial still has the lock: it is waited for."""
    (tmp_path / "lock").write_text(text.format(pid=os.getpid()))
    with (tmp_path / "lock").open() as trial:
        fcntl.flock(trial, fcntl.LOCK_EX)
        threading.Timer(0.2, lambda: fcntl.flock(trial, fcntl.LOCK_UN)).start()
        Runner(tmp_path)._lock.close()
    assert capsys.readouterr().err == "search: the trial that a killed search left running is stopped first\n"


FAILED = "ERROR: failed to reproduce 'finetune': failed to run: python -m stages.finetune, exited with 2\n"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (f"finetune: error: params.yaml: bad\n{FAILED}", "finetune: error: params.yaml: bad"),
        (f"Traceback\n  x\nRuntimeError: broken\n{FAILED}", "RuntimeError: broken"),
        (FAILED, "finetune failed: see x.log"),
    ],
)
def test_a_stage_that_failed_is_told_in_its_own_words(said: str, found: str) -> None:
    assert _failure(said, Path("x.log")) == found


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("ERROR: Unable to acquire lock.\n", r"^dvc exp run: Unable to acquire lock. \(see x.log\)"),
        ("", "said nothing"),
    ],
)
def test_what_no_stage_is_to_blame_for_ends_the_search(said: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _failure(said, Path("x.log"))
