"""The whole pipeline through the real `dvc`, on the recipe `smoke`: what runs, and that it comes out the same."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from stages.core import yaml12
from stages.repro.digests import of_folder
from tests.pipeline.conftest import Clone, stages_run

OUTPUTS = ("data/raw", "data/clean", "data/tokens", "data/predictions", "models/base", "models/finetuned", "metrics")


def outputs(clone: Clone) -> dict[str, str]:
    found = {f"{folder}/{name}": d for folder in OUTPUTS for name, d in of_folder(clone.root / folder).items()}
    del found["metrics/environment.json"]
    return found


def test_it_learns_the_toy_language(reproduced: Clone) -> None:
    assert json.loads(reproduced.text("metrics/evaluate.json"))["accuracy"] > 0.6


def test_data_and_models_are_dvcs_and_metrics_are_gits(reproduced: Clone) -> None:
    tracked = reproduced.run("git ls-files data models metrics").split()
    assert {name for name in tracked if name.startswith(("data/", "models/"))} <= {
        "data/.gitignore",
        "models/.gitignore",
    }
    assert {"metrics/data.json", "metrics/evaluate.json", "metrics/finetune/trace.tsv"} <= set(tracked)


def test_no_output_names_the_machine(reproduced: Clone) -> None:
    for folder in OUTPUTS:
        for file in (reproduced.root / folder).rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert str(reproduced.root).encode() not in content, file
                assert os.uname().nodename.encode() not in content or len(os.uname().nodename) < 6, file


def test_unchanged_it_runs_nothing(clone: Clone) -> None:
    assert stages_run(clone.run("dvc repro")) == []
    assert clone.run("git status --porcelain") == ""


def test_forced_elsewhere_it_gives_the_same_lock(clone: Clone) -> None:
    before = outputs(clone)
    assert len(stages_run(clone.run("dvc repro -f"))) == 5
    clone.run("git diff --exit-code dvc.lock")
    assert outputs(clone) == before


def test_another_learning_rate_runs_finetune_and_evaluate_alone(clone: Clone) -> None:
    said = clone.run("dvc exp run -S train.lr=3e-5")
    assert stages_run(said) == ["finetune", "evaluate"]
    assert yaml12.read(clone.root / "params.yaml")[0]["train"]["lr"] == 3e-5
    first = clone.text("metrics/finetune/steps.tsv").splitlines()[1].split("\t")
    assert 0 < float(first[3]) <= 3e-5
    assert "train.lr" in clone.run("dvc params diff")
    assert "accuracy" in clone.run("dvc metrics diff")


def test_another_setting_of_evaluate_runs_evaluate_alone(clone: Clone) -> None:
    assert stages_run(clone.run("dvc exp run -S evaluate.calibration_bins=5")) == ["evaluate"]


def test_an_edit_of_a_stage_that_changes_no_bytes_stops_there(clone: Clone) -> None:
    clone.append("stages/evaluate.py", "# a comment\n")
    assert stages_run(clone.run("dvc repro")) == ["evaluate"]
    clone.append("stages/preprocess.py", "# a comment\n")
    assert stages_run(clone.run("dvc repro")) == ["preprocess"]
    assert clone.run("git status --porcelain metrics") == ""


def test_a_users_edit_of_inputs_is_seen(clone: Clone) -> None:
    clone.append("inputs/smoke/test.tsv", "the captain rows near the quay\tharbour\n")
    assert stages_run(clone.run("dvc repro")) == ["download", "preprocess", "tokenize", "evaluate"]
    clone.append("inputs/README.md", "\n")
    assert stages_run(clone.run("dvc repro")) == ["download"]


def test_killed_in_the_midst_the_same_command_comes_out_the_same(clone: Clone) -> None:
    before = outputs(clone)
    process = clone.start("exec dvc repro -f -s finetune")  # so that the killed process is ours to reap
    steps = clone.root / "metrics/finetune/steps.tsv"
    old = steps.stat().st_mtime_ns
    deadline = time.monotonic() + 120
    while not steps.is_file() or steps.stat().st_mtime_ns == old or steps.read_text().count("\n") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert stages_run(clone.run("dvc repro -f -s finetune")) == ["finetune"]
    assert stages_run(clone.run("dvc repro")) == []
    clone.run("git diff --exit-code dvc.lock")
    assert outputs(clone) == before
    assert [p.name for p in (clone.root / ".reprise").iterdir() if p.is_dir()] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.lr=fast", 'train.lr: found "fast", wanted a valid number'),
        ("train.lr=2", "train.lr: found 2, wanted less than 1"),
        ("train.batch_size=18", "train: batch_size 18 is not a multiple of shard_size 4"),
    ],
)
def test_a_wrong_value_is_refused_and_the_results_stay(clone: Clone, change: str, message: str) -> None:
    said = clone.run(f"dvc exp run -S {change}", code=255)
    assert message in said
    assert "Traceback" not in said


def test_an_unknown_key_is_refused_by_its_name(clone: Clone) -> None:
    said = clone.run("dvc exp run -S '+train.lrr=1e-3'", code=255)
    assert "train.lrr: unknown key (nearest: 'lr'" in said


def test_plots_are_drawn(clone: Clone) -> None:
    clone.run("dvc plots show -o shown")
    page = Path(clone.root / "shown/index.html").read_text(encoding="utf-8")
    for title in ("Loss", "Learning rate", "Confusion matrix", "ROC curves", "Reliability"):
        assert title in page
