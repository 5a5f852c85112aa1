"""The learning curve over few rows a class."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from stages import fewshot
from stages.core.errors import InputError
from stages.fewshot import Method, Point

FULL, LORA = Method("full"), Method("lora", ("train.tuning.name=lora", "train.lr=1e-3"))


def test_methods_are_read() -> None:
    assert Method.of("full") == FULL
    assert Method.of("lora:train.tuning.name=lora, train.lr=1e-3") == LORA
    for text in ("", ":a=1", "lora:train.lr"):
        with pytest.raises(argparse.ArgumentTypeError, match="wanted NAME or NAME:KEY=VALUE"):
            Method.of(text)


@pytest.mark.parametrize(("rows", "found"), [(8, 200), (16, 200), (17, 100), (512, 6), (100_000, 1)])
def test_a_run_has_about_as_many_steps_whatever_its_rows(rows: int, found: int) -> None:
    assert fewshot.epochs(200, rows, 16) == found


def test_a_point_is_named_by_its_commit_and_changes() -> None:
    changes = fewshot.options(LORA, 4, 2, 200, 8, 16)
    assert changes == [
        "data.per_class=4", "seed=2", "train.epochs=100", "train.tuning.name=lora", "train.lr=1e-3"
    ]  # fmt: skip
    names = {fewshot.name_of(commit, some) for commit in ("a", "b") for some in (changes, changes[:-1])}
    assert len(names) == 4


def test_the_interval_is_students() -> None:
    point = Point("full", 4, (0.5, 0.6, 0.7))
    assert point.mean == pytest.approx(0.6)
    assert point.half == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)
    assert Point("full", 4, (0.5,)).half is None


def run(root: Path, *command: str) -> str:
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    return subprocess.run(["git", *author, *command], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with a run of two classes."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "params.yaml").write_text("train:\n  batch_size: 4\n")
    (tmp_path / "metrics/data.json").write_text('{"classes": 2}')
    run(tmp_path, "init", "-q")
    run(tmp_path, "add", "--all")
    run(tmp_path, "commit", "-qm", "one")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(changes: Sequence[str]) -> float:
    told = dict(change.split("=") for change in changes)
    return round(int(told["data.per_class"]) / 10 + int(told["seed"]) / 100 + ("train.lr" in told), 6)


def dvc(name: str, changes: Sequence[str]) -> None:
    """Stand in for `dvc exp run`: commit the metrics under a ref of DVC's."""
    root = Path.cwd()
    told = {"metrics": [["accuracy", "higher", None, 0.0]], "accuracy": score(changes), "macro_f1": 0.5}
    Path("metrics/evaluate.json").write_text(json.dumps(told))
    run(root, "add", "--all")
    tree = run(root, "write-tree").strip()
    commit = run(root, "commit-tree", tree, "-m", name).strip()
    run(root, "update-ref", f"refs/exps/ab/cd/{name}", commit)
    run(root, "reset", "-q", "--hard", "HEAD")


def test_the_curve_is_made_point_by_point_and_taken_up_where_it_was(project: Path) -> None:
    seen: list[list[str]] = []

    def counted(name: str, changes: Sequence[str]) -> None:
        seen.append(list(changes))
        dvc(name, changes)

    metric, points = fewshot.curve([FULL, LORA], [1, 2], 2, 10, None, counted)
    assert metric == "accuracy"
    assert points == [
        Point("full", 1, (0.11, 0.12)), Point("full", 2, (0.21, 0.22)),
        Point("lora", 1, (1.11, 1.12)), Point("lora", 2, (1.21, 1.22)),
    ]  # fmt: skip
    assert len(seen) == 8
    assert seen[0] == ["data.per_class=1", "seed=1", "train.epochs=10"]
    assert fewshot.curve([FULL, LORA], [1, 2], 2, 10, None, counted) == (metric, points)
    assert len(seen) == 8  # all of them are known


def test_what_is_written(project: Path) -> None:
    found = fewshot.curve([FULL, LORA], [1, 2], 2, 10, "accuracy", dvc)
    text = fewshot.write(*found)
    assert "| 1 | 0.1150 ± 0.0635 | 1.1150 ± 0.0635 |" in text
    first = {path: path.read_bytes() for path in fewshot.WRITTEN}
    assert text in first[fewshot.WRITTEN[1]].decode()
    assert json.loads(first[fewshot.WRITTEN[0]])["points"][0]["scores"] == [0.11, 0.12]
    assert b"<svg" in first[fewshot.WRITTEN[2]]
    fewshot.write(*found)
    assert {path: path.read_bytes() for path in fewshot.WRITTEN} == first


def test_what_cannot_be_made_is_refused(project: Path) -> None:
    with pytest.raises(InputError, match="--metric: 'f1' is no score of metrics/evaluate.json"):
        fewshot.curve([FULL], [1], 1, 10, "f1", dvc)
    with pytest.raises(InputError, match="dvc exp run made no experiment fewshot-"):
        fewshot.curve([FULL], [3], 1, 10, None, lambda name, changes: None)
    (project / "params.yaml").write_text("train:\n  batch_size: 2\n")
    with pytest.raises(InputError, match=r"params.yaml: not as HEAD has it: commit first"):
        fewshot.curve([FULL], [1], 1, 10, None, dvc)
    (project / "metrics/data.json").write_text("{}")
    with pytest.raises(InputError, match="names no classes"):
        fewshot.curve([FULL], [1], 1, 10, None, dvc)
