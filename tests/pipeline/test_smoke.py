"""The whole pipeline through the real `dvc`, on the recipe `smoke`: what runs, and that it comes out the same."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

from tests.pipeline.conftest import OUTPUTS, Clone, outputs, stages_run


def test_it_learns_the_toy_language(reproduced: Clone) -> None:
    assert json.loads(reproduced.text("metrics/evaluate.json"))["accuracy"] > 0.6


def test_metrics_are_few_columns_of_one_name_each(reproduced: Clone) -> None:
    files = [json.loads(reproduced.text(f"metrics/{n}.json")) for n in ("data", "tokenize", "finetune", "evaluate")]
    columns = [key for file in files for key, value in file.items() if not isinstance(value, list | dict)]
    assert len(columns) == len(set(columns)) <= 25
    beside = {key: value for file in files for key, value in file.items() if isinstance(value, list | dict)}
    assert sorted(beside) == ["intervals", "metrics", "notes"]  # lists, which are no columns of DVC's tables
    assert all(isinstance(ends, list) for ends in beside["intervals"].values())


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


def test_another_setting_of_evaluate_runs_evaluate_alone_and_git_tells_it(clone: Clone) -> None:
    clone.run("git diff --exit-code HEAD dvc.lock")
    assert stages_run(clone.run("dvc exp run -S evaluate.calibration_bins=5")) == ["evaluate"]
    assert "+++ b/dvc.lock" in clone.run("git diff --exit-code HEAD dvc.lock", code=1)


def test_an_edit_of_a_stage_that_changes_no_bytes_stops_there(clone: Clone) -> None:
    clone.append("stages/evaluate.py", "# a comment\n")
    assert stages_run(clone.run("dvc repro")) == ["evaluate"]
    clone.append("stages/preprocess.py", "# a comment\n")
    assert stages_run(clone.run("dvc repro")) == ["preprocess"]
    assert clone.run("git status --porcelain metrics") == ""


def test_a_users_edit_of_inputs_is_seen(clone: Clone) -> None:
    clone.append("files/smoke/test.tsv", "the captain rows near the quay\tharbour\n")
    assert stages_run(clone.run("dvc repro")) == ["download", "preprocess", "tokenize", "evaluate"]
    clone.append("files/README.md", "\n")
    assert stages_run(clone.run("dvc repro")) == ["download"]


def test_a_second_clone_killed_in_the_midst_comes_out_the_same(second: Clone, reproduced: Clone) -> None:
    """Nothing is cached there, so every stage computes; `make repro` again goes on where the kill met it.

    DVC's record of the killed process says another number then, that of one that lives, as when numbers come again.
    """
    process = second.start("make repro")
    wait_for_step(second, 51, process)
    os.killpg(process.pid, signal.SIGKILL)
    assert stages_run(process.communicate()[0]) == ["download", "preprocess", "tokenize", "finetune"]
    records = second.root / ".dvc/tmp/rwlock"
    records.write_text(re.sub(r'"pid": \d+', f'"pid": {os.getpid()}', second.text(".dvc/tmp/rwlock")))
    assert "is busy, it is being blocked by" in second.run("dvc repro", code=255)
    said = second.run("make repro")
    assert re.search(rf"^unlock: process {os.getpid()} \(.*dvc/__main__.py repro\) is gone", said, re.MULTILINE)
    assert stages_run(said) == ["finetune", "evaluate"]
    assert "finetune: goes on from step 50\n" in said
    second.run("git diff --exit-code HEAD dvc.lock")
    assert outputs(second) == outputs(reproduced)
    assert [p.name for p in (second.root / ".reprise").iterdir() if p.is_dir()] == []
    assert stages_run(second.run("dvc repro")) == []


def test_a_stage_ends_with_its_dvc_and_the_next_goes_on(clone: Clone, reproduced: Clone) -> None:
    process = clone.start("exec dvc repro -f -s finetune")
    wait_for_step(clone, 51, process)
    process.send_signal(signal.SIGKILL)
    said = process.communicate(timeout=60)[0]  # to the end of the stage, which has the same standard output
    assert f"finetune: dvc (process {process.pid}) is gone, so this ends\n" in said
    stopped = re.search(r"finetune: stopped after step (\d+); the same command goes on from there\n", said)
    assert stopped
    said = clone.run("python -m stages.unlock && dvc repro -f -s finetune")  # -f: else it is taken from the run cache
    assert f"finetune: goes on from step {stopped[1]}\n" in said
    assert stages_run(said) == ["finetune"]
    assert outputs(clone) == outputs(reproduced)


def wait_for_step(clone: Clone, step: int, process: subprocess.Popen[str]) -> None:
    def steps() -> bytes:
        with contextlib.suppress(FileNotFoundError):
            return (clone.root / "metrics/finetune/steps.tsv").read_bytes()
        return b""

    committed = steps()
    deadline = time.monotonic() + 120
    while (found := steps()) == committed or found.count(b"\n") <= step:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
