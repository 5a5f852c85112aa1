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
from tests.ledger.history import History, Made

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


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    history = History(tmp_path / "repo")
    runs = [(1e-3, 1, 0.8), (1e-3, 2, 0.9), (1e-4, 1, 0.7), (1e-4, 2, 0.82)]
    first = history.commit(Made(lr=1e-3, seed=1, accuracy=0.8, weights="0"))
    for number, (lr, seed, accuracy) in enumerate(runs[1:], 1):
        history.experiment(f"exp-{number}", Made(lr=lr, seed=seed, accuracy=accuracy, weights=str(number)), first)
    return history.root


def test_groups_tell_means_and_effects(
    seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(seeds, monkeypatch, "groups", "--metric", "accuracy")
    assert capsys.readouterr().out == (
        "evaluate.accuracy, more is better; groups of equal train.lr\n"
        "\n"
        "train.lr  n    mean      sd  95% interval         best  best run\n"
        "0.001     2  0.8500  0.0707  [0.2147, 1.4853]   0.9000  exp-1\n"
        "0.0001    2  0.7600  0.0849  [-0.0024, 1.5224]  0.8200  exp-3\n"
        "\n"
        "what changes evaluate.accuracy, all else equal\n"
        "\n"
        "param     from    to     difference  95% interval        from what\n"
        "train.lr  0.0001  0.001     +0.0900  [-0.0371, +0.2171]  2 seeds paired\n"
    )


def test_a_table_of_groups_has_no_more_columns_than_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History(tmp_path / "repo")
    history.commit(*(Made(seed=n, accuracy=n / 4, params={f"p{i}": n for i in range(20)}) for n in (1, 2)))
    run(history.root, monkeypatch, "groups")
    first, _, header, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith(" and 12 more (--by or --where picks, --json shows all)")
    assert header.split()[:9] == ["train.p2", *(f"train.p{i}" for i in range(3, 10)), "n"]


def test_groups_as_csv_json_and_markdown(
    seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(seeds, monkeypatch, "groups", "--csv", "--where", "train.lr=1e-3", "--where", "seed=1")
    assert capsys.readouterr().out == "n,mean,sd,low,high,best,best_run\n1,0.8,,,,0.8,main\n"
    run(seeds, monkeypatch, "groups", "--json", "--by", "seed")
    found = json.loads(capsys.readouterr().out)
    assert [(g["settings"], g["n"], g["differ_within"]) for g in found["groups"]] == [
        ({"seed": 2}, 2, ["train.lr"]), ({"seed": 1}, 2, ["train.lr"]),
    ]  # fmt: skip
    run(seeds, monkeypatch, "groups", "--md")
    assert "| 0.001 | 2 | 0.8500 | 0.0707 | [0.2147, 1.4853] | 0.9000 | exp-1 |\n" in capsys.readouterr().out


def test_a_plot_of_groups_is_the_same_bytes_each_time(
    seeds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one.svg", "two.svg", "three.png"):
        run(seeds, monkeypatch, "groups", "--plot", name)
    one, two = ((seeds / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one == two
    assert all(text in one.decode() for text in ("train.lr=0.001", "evaluate.accuracy", "a run"))
    assert (seeds / "three.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metric", "acuracy"), "--metric: no metric is called 'acuracy'"),
        (("--by", "train.rl"), "--by: no run has 'train.rl' (nearest: 'train.lr'"),
        (("--plot", "groups.pdf"), "--plot: found 'groups.pdf', wanted a file called .svg or .png"),
        (("--where", "seed=9"), "--where: no run meets all of it"),
    ],
)
def test_groups_that_cannot_be_are_refused(
    seeds: Path, arguments: tuple[str, ...], said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(SystemExit):
        run(seeds, monkeypatch, "groups", *arguments)
    assert said in capsys.readouterr().err


def test_the_list_as_markdown(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(repository, monkeypatch, "--md", "--columns", "name,train.lr")
    assert capsys.readouterr().out == (
        "| name | train.lr |\n| --- | ---: |\n| main | 3e-05 |\n| calm-sea | 0.0001 |\n| grey-owl | 3e-05 |\n"
    )
