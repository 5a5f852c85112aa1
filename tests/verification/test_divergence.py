"""Two traces, and two runs: where they part, and what is no trace."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages import diverge
from stages.core.errors import InputError
from stages.training import loop, trace
from stages.verification.divergence import (
    CHAIN_SHOWN,
    COLUMNS,
    Divergence,
    compare_runs,
    compare_traces,
    find_run,
    read_trace,
)
from tests import tiny

NAME = "bert.encoder.layer.1.attention.self.query.weight"
SHARDS = 3  # of each batch of the tiny run
CHECKPOINT = 6  # the step after which the second checkpoint is written


def written(path: Path, steps: int = 4, **changes: tuple[float, float, str]) -> Path:
    """Write a trace as finetune does; `s3=(loss, norm, gradient)` exchanges the cells of step 3."""
    from stages.core.files import tsv_line
    from stages.repro.digests import of_bytes

    lines, chain = [tsv_line(COLUMNS)], ""
    for step in range(1, steps + 1):
        cells = (step, *changes.get(f"s{step}", (1.5 / step, 0.5, f"{step:032x}")))
        chain = of_bytes((chain + tsv_line(cells)).encode())
        lines.append(tsv_line((*cells, chain[:CHAIN_SHOWN])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_the_columns_are_those_of_finetune() -> None:
    assert trace.COLUMNS == COLUMNS


def test_equal_traces_do_not_part(tmp_path: Path) -> None:
    found = read_trace(written(tmp_path / "a.tsv"))
    assert [line["step"] for line in found] == ["1", "2", "3", "4"]
    assert compare_traces(found, read_trace(written(tmp_path / "b.tsv"))) is None


@pytest.mark.parametrize(
    ("cells", "columns"),
    [
        ((0.5, 0.5, "f" * 32), ("gradient",)),
        ((0.25, 0.5, f"{3:032x}"), ("loss",)),
        ((0.5, 0.75, "f" * 32), ("grad_norm", "gradient")),
        ((9.5, 0.75, "f" * 32), ("loss", "grad_norm", "gradient")),
    ],
)
def test_the_first_step_and_what_differs_there(
    tmp_path: Path, cells: tuple[float, float, str], columns: tuple[str, ...]
) -> None:
    a, b = written(tmp_path / "a.tsv"), written(tmp_path / "b.tsv", s3=cells, s4=(7.0, 7.0, "7" * 32))
    parting = compare_traces(read_trace(a), read_trace(b))
    assert parting is not None
    assert (parting.step, parting.columns) == (3, columns)


def test_a_trace_that_ends_early_parts_there(tmp_path: Path) -> None:
    short, full = read_trace(written(tmp_path / "a.tsv", steps=2)), read_trace(written(tmp_path / "b.tsv"))
    for a, b in ((short, full), (full, short)):
        parting = compare_traces(a, b)
        assert parting is not None
        assert (parting.step, parting.columns) == (3, ())
        assert (parting.a is None, parting.b is None) == (a is short, b is short)


def test_every_changed_byte_is_found_and_its_line_named(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.tsv").read_bytes()
    damaged = tmp_path / "b.tsv"
    for place in range(len(whole)):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        number = whole[:place].count(b"\n") + 1
        wanted = "not a trace" if number == 1 else f"line {number}: "
        with pytest.raises(InputError, match=re.escape(f"{damaged}: {wanted}")):
            read_trace(damaged)


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_line_taken_out_is_found(tmp_path: Path, missing: int) -> None:
    file = written(tmp_path / "a.tsv")
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:missing] + lines[missing + 1 :]))
    with pytest.raises(InputError, match=f"line {missing + 1}: damaged: wanted step {missing}"):
        read_trace(file)


@pytest.mark.parametrize("content", [b"", b"step\tloss\n", b"\xff\xfe"])
def test_what_is_no_trace_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tsv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "a.tsv"))):
        read_trace(tmp_path / "a.tsv")


def test_a_torn_last_line_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.tsv")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match="line 5: damaged"):
        read_trace(file)


def test_parts_of_a_run_are_found_from_each_of_its_folders(tmp_path: Path) -> None:
    live = written(tmp_path / "metrics/finetune/trace.tsv")
    (tmp_path / "models/finetuned").mkdir(parents=True)
    (tmp_path / "models/finetuned/model.safetensors").touch()
    step = tmp_path / ".reprise" / ("0a" * 12) / "step-0000000003"
    step.mkdir(parents=True)
    kept = written(step.parent / "trace.tsv")
    run = find_run(tmp_path)
    assert (run.trace, run.checkpoints, run.digest) == (live, {3: step}, "0a" * 12)
    assert run.model == tmp_path / "models/finetuned/model.safetensors"
    assert find_run(tmp_path / "metrics/finetune").trace == live
    assert find_run(tmp_path / "models/finetuned").model == run.model
    assert find_run(step).checkpoints == {3: step}
    assert (find_run(step.parent).trace, find_run(step.parent).digest) == (kept, "0a" * 12)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("nothing", "trace.tsv", "nothing: no such file or folder"),
        ("empty", "trace.tsv", "empty: found no metrics/finetune/trace.tsv, no models/finetuned and no checkpoint"),
        ("trace.tsv", "run/step-3", "a trace in one, checkpoints (steps 3) in the other"),
        ("two", "trace.tsv", "several runs were interrupted here: name one of"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, a: str, b: str, message: str) -> None:
    written(tmp_path / "trace.tsv")
    for folder in ("empty", "run/step-3", "two/.reprise/k1/step-1", "two/.reprise/k2/step-1"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(InputError, match=re.escape(message)):
        compare_runs(find_run(tmp_path / a), find_run(tmp_path / b))


class Stopped(Exception):
    """Ends the tiny run where its checkpoints are still there."""


def stopped_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, flip: int | None, bit: int = 0, after: int = CHECKPOINT
) -> Path:
    """Run finetune until `after` steps are done; in step `flip`, one bit of one gradient of its first shard is flipped.

    Autograd calls a parameter's hook once a shard, so nothing in the engine knows of this.
    """
    tiny.clone(root, clip_norm="null")
    begin = loop.Loop.__init__
    seen = {"shards": 0}

    def hook(gradient: Tensor) -> Tensor:
        step, shard = divmod(seen["shards"], SHARDS)
        seen["shards"] += 1
        if step == after:
            raise Stopped
        if (step + 1, shard) == (flip, 0):
            gradient = gradient.clone()
            gradient.view(torch.int32)[3, 5] ^= 1 << bit
        return gradient

    def beginning(self: loop.Loop, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        self.learning[NAME].register_hook(hook)

    with monkeypatch.context() as patched:
        patched.setattr(loop.Loop, "__init__", beginning)
        with pytest.raises(Stopped):
            tiny.run_here(root)
    return root


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patched:
        return stopped_run(tmp_path_factory.mktemp("plain") / "run", patched, flip=None)


def compared(a: Path, b: Path) -> Divergence:
    return compare_runs(find_run(a), find_run(b))


def test_two_runs_alike_are_equal_in_every_checkpoint(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compared(plain, stopped_run(tmp_path / "run", monkeypatch, flip=None))
    assert found.equal
    assert (found.steps, found.compared) == (CHECKPOINT, (3, 6))


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_flipped_bit_is_found_at_its_step(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    found = compared(plain, stopped_run(tmp_path / "run", monkeypatch, flip=step, bit=21))
    assert found.parting is not None
    assert found.parting.step == step
    assert "gradient" in found.parting.columns
    assert "loss" not in found.parting.columns
    assert found.state is not None
    assert found.state[0] == (3 if step <= 3 else 6)


def test_at_the_checkpoint_after_it_the_flipped_tensor_is_named(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flipped = stopped_run(tmp_path / "run", monkeypatch, flip=CHECKPOINT, bit=21)
    found = compared(plain, flipped)
    assert found.state is not None
    step, state = found.state
    assert step == CHECKPOINT
    assert state.first.name == NAME
    assert state.first.differing == 1
    assert state.first.elements == 16 * 16
    assert 1 <= state.differing <= 3  # the weight and its two moments, no other parameter
    monkeypatch.setattr("sys.argv", ["diverge", str(plain), str(flipped)])
    with pytest.raises(SystemExit) as ended:
        diverge.main()
    assert ended.value.code == 1
    told = capsys.readouterr().out.splitlines()
    said = [line for line in told if not line.startswith("other params")]  # this process imports more as it goes on
    assert said[0].startswith("traces: step 6 is the first that differs, in ")
    assert said[1].startswith("  loss ")
    assert said[1].endswith(" in both")
    counted = f"checkpoint of step 6: {state.differing} of {state.tensors} tensors differ, first {NAME} ("
    assert counted in "\n".join(said)
    assert "  1 of 256 elements, largest difference" in "\n".join(said)
