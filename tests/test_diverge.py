"""The command `diverge`: what it says and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stages import diverge
from tests.tiny import ROOT
from tests.verification.test_divergence import written


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["diverge", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        diverge.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_equal_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, written(tmp_path / "a.tsv"), written(tmp_path / "b.tsv")) == 0
    assert capsys.readouterr().out == "traces: the same in all 4 steps\n"


def test_traces_that_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = written(tmp_path / "a.tsv"), written(tmp_path / "b.tsv", s2=(0.75, 0.625, "f" * 32))
    assert run(monkeypatch, a, b) == 1
    assert capsys.readouterr().out == (
        "traces: step 2 is the first that differs, in grad_norm, gradient\n"
        "  loss      0.75 in both\n"
        "  grad_norm 0.5 in A, 0.625 in B\n"
        f"  gradient  {2:032x} in A, {'f' * 32} in B\n"
    )


def test_a_trace_that_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, written(tmp_path / "a.tsv"), written(tmp_path / "b.tsv", steps=3)) == 1
    assert capsys.readouterr().out == "traces: the same in 3 steps, then B ends\n"


def test_runs_with_other_inputs_and_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("a", "b")):
        folder = tmp_path / name / "models/finetuned"
        folder.mkdir(parents=True)
        save_file({"head.weight": np.array([1, 2 + number, 3], dtype=np.float32)}, folder / "model.safetensors")
        (tmp_path / name / ".reprise" / f"{number:024x}" / f"step-{number + 1:010d}").mkdir(parents=True)
        written(tmp_path / name / "metrics/finetune/trace.tsv")
    assert run(monkeypatch, tmp_path / "a", tmp_path / "b") == 1
    assert capsys.readouterr().out == (
        f"other params, data, base model, code or libraries: {0:024x} in A, {1:024x} in B\n"
        "traces: the same in all 4 steps\n"
        "model: 1 of 1 tensors differ, first head.weight (weights, model.safetensors)\n"
        "  1 of 3 elements, largest difference 1, 4,194,304 units in the last place\n"
    )


def test_bad_input_is_one_line_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "b.tsv")
    file.write_text(file.read_text().replace("0.75", "0.76"))
    assert run(monkeypatch, written(tmp_path / "a.tsv"), file) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"diverge: error: {file}: line 3: the hash chain breaks here: found ")
    assert said.count("\n") == 1


def test_it_needs_no_torch() -> None:
    program = "import sys, stages.diverge; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_run_as_a_script_it_says_how() -> None:
    ended = subprocess.run([sys.executable, "stages/diverge.py"], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (2, "run me as: python -m stages.diverge\n")
