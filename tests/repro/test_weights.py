"""Files of weights: whole, or told by what is wanted and found; and the command that converts a pickle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.core.errors import InputError
from stages.repro.weights import CONVERSION, check_pointer, check_weights, unsafe

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 90868376\n"


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    save_file({"a": torch.arange(6.0), "b": torch.ones(2, dtype=torch.int8)}, tmp_path / "model.safetensors")
    return (tmp_path / "model.safetensors").read_bytes()


def test_whole_files_pass(tmp_path: Path, whole: bytes) -> None:
    save_file({}, tmp_path / "empty.safetensors", metadata={"format": "pt"})
    check_weights(tmp_path)


def test_what_is_not_whole_is_told(tmp_path: Path, whole: bytes) -> None:
    path, size = tmp_path / "model.safetensors", len(whole)
    header = int.from_bytes(whole[:8], "little")
    page = b"<!DOCTYPE html><html></html>"
    broken = whole[:8] + b"{" + b"x" * (header - 1) + whole[8 + header :]
    for content, message in (
        (POINTER, "not safetensors: a Git LFS pointer; fetch it (git lfs pull)"),
        (whole[:-1], f"cut off: found {size - 1} bytes, wanted {size}"),
        (whole + b"x", f"too long: found {size + 1} bytes, wanted {size}"),
        (whole[:20], f"cut off: found 20 bytes, wanted more than {header + 8}"),
        (b"", "not safetensors: no header at its begin (0 bytes)"),
        (whole[:5], "not safetensors: no header at its begin (5 bytes)"),
        (page, f"not safetensors: no header at its begin ({len(page)} bytes)"),
        (broken, "not safetensors: its header cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError) as told:
            check_weights(tmp_path)
        assert str(told.value) == f"{path}: {message}"


def test_a_part_that_the_index_names_must_be_there(tmp_path: Path, whole: bytes) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "other.safetensors"}}))
    with pytest.raises(InputError, match=r"index.json: names other.safetensors, which is not beside it$"):
        check_weights(tmp_path)
    index.write_text("[]")
    with pytest.raises(InputError, match=r"index.json: no index of safetensors"):
        check_weights(tmp_path)


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"adapter_config.json: an adapter, wanted a whole model"):
        check_weights(tmp_path)


def test_a_pointer_in_the_place_of_any_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(POINTER)
    with pytest.raises(InputError, match=r"tokenizer.json: not the file itself: a Git LFS pointer; fetch it"):
        check_pointer(tmp_path / "tokenizer.json")


def test_pickles_are_refused_with_the_command_that_converts_them() -> None:
    assert unsafe("sub/pytorch_model.bin") == (
        "sub/pytorch_model.bin may hold code; wanted weights as safetensors. Convert what you trust, once:\n"
        + CONVERSION
    )
    assert unsafe("model.safetensors") is None


def test_the_command_converts_weights_and_runs_no_code(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    torch.save({"a": shared, "b": shared, "c": shared.view(2, 3).T}, tmp_path / "pytorch_model.bin")
    command = CONVERSION.replace("python -c", f"{sys.executable} -c", 1)
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    check_weights(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "a": [0, 1, 2, 3, 4, 5], "b": [0, 1, 2, 3, 4, 5], "c": [[0, 3], [1, 4], [2, 5]],
    }  # fmt: skip

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"a": Evil()}, tmp_path / "pytorch_model.bin")
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "Weights only load failed" in done.stderr) == (1, True)
    assert not (tmp_path / "ran").exists()
