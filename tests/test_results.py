"""The command: what it prints, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages import results
from tests.verification.ledger.history import History, Made

ROOT = Path(__file__).parent.parent
SLOW = Made(lr=1e-4, weights="b", accuracy=0.5, environment={"seconds": 700.0})
AGAIN = Made(environment={"seconds": 601.0, "processor": "B"})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    history = History(tmp_path / "repo")
    first = history.commit(Made())
    history.experiment("calm-sea", SLOW, first)
    history.experiment("grey-owl", AGAIN, first)
    return history.root


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["results", *arguments])
    results.main()


def test_the_table_and_what_repeats(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(repository, monkeypatch, "--columns", "name,train.lr,evaluate.accuracy,repeat")
    triple = results.ledger(repository).repeats[0].runs[0].record.triple[:8]
    assert capsys.readouterr().out == (
        "name      train.lr  evaluate.accuracy  repeat\n"
        "main         3e-05             0.9700  repeatable\n"
        "calm-sea    0.0001             0.5000\n"
        "grey-owl     3e-05             0.9700  repeatable\n"
        "\n"
        f"2 runs of {triple} (main | grey-owl): repeatable: every output has the same digest\n"
        "  processor: A | B\n"
    )


def test_what_does_not_repeat_is_told_with_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History(tmp_path / "repo")
    history.commit(Made(), AGAIN.but(weights="x", accuracy=0.9))
    run(history.root, monkeypatch)
    said = capsys.readouterr().out
    assert "NOT REPEATABLE: bits differ from finetune on; metrics: evaluate.accuracy 0.97 | 0.9\n" in said


def test_csv_keeps_every_bit(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(repository, monkeypatch, "--csv", "--sort", "-train.lr", "--columns", "name,train.lr,environment.processor")
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["name", "train.lr", "environment.processor"],
        ["calm-sea", "0.0001", ""],
        ["main", "3e-05", "A"],
        ["grey-owl", "3e-05", "B"],
    ]


def test_json_holds_the_whole_triple(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(repository, monkeypatch, "--json", "--where", "train.lr=3e-5")
    found = json.loads(capsys.readouterr().out)
    assert [one["names"] for one in found["runs"]] == [["main"], ["grey-owl"]]
    assert found["runs"][0]["parameters"]["train.lr"] == 3e-5
    assert found["runs"][0]["metrics"] == {"evaluate.accuracy": 0.97}
    assert [one["verdict"] for one in found["repeats"]] == ["repeatable"]


def test_repeats_of_runs_that_are_not_shown_are_not_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(repository, monkeypatch, "--where", "name=calm-sea")
    assert "runs of" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--columns", "name,evaluate.acuracy"),
            "no run has 'evaluate.acuracy' (nearest: 'evaluate.accuracy'",
        ),
        (("--sort", "-train.rl"), "--sort: no run has 'train.rl' (nearest: 'train.lr'"),
        (("--where", "train.lr~3"), "--where: found 'train.lr~3', wanted KEY=VALUE"),
        (("--tolerance", "nan"), "argument --tolerance: invalid tolerance value: 'nan'"),
        (("--tolerance", "-1"), "argument --tolerance: invalid tolerance value: '-1'"),
        (("--csv", "--json"), "not allowed with argument"),
    ],
)
def test_what_there_is_not_is_refused(
    repository: Path, arguments: tuple[str, ...], said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        run(repository, monkeypatch, *arguments)
    out, error = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert said in error


def test_a_repository_without_runs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History(tmp_path / "repo")
    with pytest.raises(SystemExit):
        run(history.root, monkeypatch)
    assert "no run is known" in capsys.readouterr().err


def test_a_broken_lock_does_not_stop_the_others(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.joinpath("dvc.lock").write_text("<<<<<<< HEAD\n")
    run(repository, monkeypatch, "--csv", "--columns", "name")
    out, error = capsys.readouterr()
    assert out == "name\nmain\ncalm-sea\ngrey-owl\n"
    assert error.startswith("results: the working tree: dvc.lock: not as `dvc repro` writes it")


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    history = History(tmp_path / "repo")
    history.commit(*(Made(lr=n / 1000) for n in range(1, 101)))  # more than a pipe holds
    command = f"PYTHONPATH={ROOT} {sys.executable} -m stages.results --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], cwd=history.root, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{", "")


def test_torch_is_not_imported(repository: Path) -> None:
    code = "import sys, stages.results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_as_a_script_it_says_how_to_run_it() -> None:
    done = subprocess.run([sys.executable, ROOT / "stages/results.py"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "run me as: python -m stages.results\n")
