"""Checkpoints: whole or not there; damage is named and the one before it is used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from stages.core.errors import InputError
from stages.training import checkpoint

FILES = ("manifest.json", "moments.safetensors", "state.json", "weights.safetensors")


def save(folder: Path, step: int) -> None:
    tensors = {"weights": {"w": torch.full((3,), float(step))}, "moments": {"w/first": torch.zeros(3)}}
    checkpoint.save(folder, step, tensors, {"loop": {"step": step, "chain": "ab"}})


def steps(folder: Path) -> list[int]:
    return [found.step for found in checkpoint.latest(folder)]


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    save(tmp_path, 5)
    (found,) = checkpoint.latest(tmp_path)
    assert found.step == 5
    assert found.state == {"loop": {"step": 5, "chain": "ab"}}
    assert torch.equal(found.tensors["weights"]["w"], torch.full((3,), 5.0))
    assert list(found.tensors["moments"]) == ["w/first"]


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15, 100):
        save(tmp_path, step)
    assert steps(tmp_path) == [100, 15]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-0000000015", "step-0000000100"]


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_found(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    file = tmp_path / "step-0000000002" / name
    whole = file.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        file.write_bytes(damaged)
        assert next(checkpoint.latest(tmp_path)).step == 1, place
    assert str(tmp_path / "step-0000000002") in capsys.readouterr().err


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_short_file_is_found(tmp_path: Path, name: str) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    file = tmp_path / "step-0000000002" / name
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert steps(tmp_path) == [1], length
    file.unlink()
    assert steps(tmp_path) == [1]


@pytest.mark.parametrize("call", ["replace", "fsync", "open"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_failing_write_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, which: int
) -> None:
    save(tmp_path, 1)
    real, calls = getattr(os, call), iter(range(1000))

    def failing(*args: object, **kwargs: object) -> object:
        if next(calls) == which:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, failing)
    failed = False
    try:
        save(tmp_path, 2)
    except InputError as error:
        failed = True
        assert "No space left on device" in str(error)
    monkeypatch.undo()
    assert failed or which > 0
    assert steps(tmp_path)[-1] == 1
    assert not list(tmp_path.glob(".*"))


def test_leftovers_of_a_killed_write_are_no_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / ".step-0000000002.partial").mkdir()
    (tmp_path / ".step-0000000002.partial" / "weights.safetensors").write_bytes(b"half")
    assert steps(tmp_path) == [1]
    save(tmp_path, 2)
    assert steps(tmp_path) == [2, 1]
