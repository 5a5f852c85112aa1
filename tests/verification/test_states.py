"""Two saved states: which tensor differs first, in how many elements, and by how much."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from stages.core.errors import InputError
from stages.core.files import write_json
from stages.repro.digests import of_folder
from stages.verification.states import compare_states, model_order, ulps

NAMES = ("bert.encoder.layer.10.output.dense.weight", "bert.encoder.layer.2.output.dense.weight", "classifier.bias")


def weights(folder: Path, **changes: np.ndarray) -> Path:
    """Write a file of three tensors, some exchanged."""
    folder.mkdir(exist_ok=True)
    tensors = {name: np.arange(6, dtype=np.float32).reshape(2, 3) for name in NAMES}
    save_file({**tensors, **{NAMES[int(k[1:])]: v for k, v in changes.items()}}, folder / "model.safetensors")
    return folder / "model.safetensors"


def checkpoint(folder: Path, moment: float = 0.0) -> Path:
    """Write a checkpoint of one tensor."""
    folder.mkdir(parents=True)
    save_file({"w": np.ones(4, dtype=np.float32)}, folder / "weights.safetensors")
    moments = {"w/first": np.array([0, moment, 0, 0], dtype=np.float32), "w/second": np.zeros(4, dtype=np.float32)}
    save_file(moments, folder / "moments.safetensors")
    write_json(folder / "state.json", {"step": 1})
    write_json(folder / "manifest.json", of_folder(folder))
    return folder


def changed(place: tuple[int, int], value: float) -> np.ndarray:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    array[place] = value
    return array


def test_the_same_bits_are_no_difference(tmp_path: Path) -> None:
    assert compare_states(weights(tmp_path / "a"), weights(tmp_path / "b")) is None


def test_the_first_tensor_is_the_first_of_the_model_not_of_the_file(tmp_path: Path) -> None:
    next_up = float(np.nextafter(np.float32(5), np.float32(6)))
    other = weights(tmp_path / "b", _0=changed((0, 1), -1), _1=changed((1, 2), next_up), _2=changed((0, 0), 9))
    found = compare_states(weights(tmp_path / "a"), other)
    assert found is not None
    assert (found.tensors, found.differing) == (3, 3)
    first = found.first
    assert (first.name, first.kind, first.file) == (NAMES[1], "weights", "model.safetensors")
    assert (first.elements, first.differing, first.largest, first.ulps) == (6, 1, 2**-21, 1)


def test_a_nan_is_a_difference_and_no_distance(tmp_path: Path) -> None:
    found = compare_states(weights(tmp_path / "a"), weights(tmp_path / "b", _2=changed((1, 0), float("nan"))))
    assert found is not None
    assert (found.first.name, found.first.differing, found.first.largest) == (NAMES[2], 1, 0.0)
    assert found.first.ulps == 0x7FC00000 - 0x40400000


def test_zeros_of_two_signs_differ(tmp_path: Path) -> None:
    found = compare_states(weights(tmp_path / "a"), weights(tmp_path / "b", _0=changed((0, 0), -0.0)))
    assert found is not None
    assert (found.first.largest, found.first.ulps) == (0.0, 1)


@pytest.mark.parametrize(
    ("array", "form"),
    [
        (np.zeros((3, 2), dtype=np.float32), "float32 [2, 3] in A, float32 [3, 2] in B"),
        (np.zeros((2, 3), dtype=np.float16), "float32 [2, 3] in A, float16 [2, 3] in B"),
    ],
)
def test_another_shape_or_type_is_told(tmp_path: Path, array: np.ndarray, form: str) -> None:
    found = compare_states(weights(tmp_path / "a"), weights(tmp_path / "b", _1=array))
    assert found is not None
    assert (found.first.name, found.first.form) == (NAMES[1], form)


def test_a_tensor_that_one_side_lacks_is_told(tmp_path: Path) -> None:
    full = weights(tmp_path / "a")
    part = tmp_path / "b.safetensors"
    save_file({name: np.arange(6, dtype=np.float32).reshape(2, 3) for name in NAMES[:2]}, part)
    for one, other, form in ((full, part, "only A has it"), (part, full, "only B has it")):
        found = compare_states(one, other)
        assert found is not None
        assert (found.first.name, found.first.form) == (NAMES[2], form)


def test_moments_are_told_from_weights(tmp_path: Path) -> None:
    found = compare_states(checkpoint(tmp_path / "a/step-1"), checkpoint(tmp_path / "b/step-1", moment=0.5))
    assert found is not None
    assert (found.tensors, found.differing) == (3, 1)
    assert (found.first.name, found.first.kind, found.first.file) == ("w", "first moment", "moments.safetensors")
    assert (found.first.differing, found.first.largest) == (1, 0.5)


@pytest.mark.parametrize("name", ["weights.safetensors", "moments.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str) -> None:
    a, b = checkpoint(tmp_path / "a"), checkpoint(tmp_path / "b")
    content = bytearray((b / name).read_bytes())
    content[-2] ^= 1
    (b / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"{b / name}: damaged")):
        compare_states(a, b)


@pytest.mark.parametrize("content", [b"", b"12345678", b"\xff" * 40])
def test_what_is_no_safetensors_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "b.safetensors"
    file.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"{file}: not a readable safetensors file")):
        compare_states(weights(tmp_path / "a"), file)


@example(float(np.finfo(np.float32).max), 1)
@given(st.floats(width=32, allow_nan=False), st.integers(0, 1000))
def test_ulps_count_the_floats_between(start: float, steps: int) -> None:
    one = np.array([start], dtype=np.float32)
    other = one.copy()
    with np.errstate(over="ignore"):  # of a step from the largest float to infinity
        for _ in range(steps % 50):
            other = np.nextafter(other, np.float32(np.inf))
    crosses_zero = (np.signbit(one) != np.signbit(other)).item()
    wanted = sum(1 for _ in range(steps % 50)) if one != np.inf else 0
    if np.isinf(other[0]) and not np.isinf(one[0]):
        return  # the walk stopped at infinity
    assert int(ulps(one, other)[0]) in ({wanted, wanted + 1} if crosses_zero or one == 0 or other == 0 else {wanted})


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, np.int8, np.uint8, np.bool_])
def test_ulps_of_other_types(dtype: type) -> None:
    a, b = np.array([0, 1], dtype=dtype), np.array([1, 1], dtype=dtype)
    assert int(ulps(a, a).max()) == 0
    assert int(ulps(a, b)[0]) == (int(np.ones(1, dtype=dtype).view(f"u{a.dtype.itemsize}")[0]))


def test_ulps_span_the_whole_range() -> None:
    lowest, highest = np.array([-np.inf]), np.array([np.inf])
    assert int(ulps(lowest, highest)[0]) == 2 * 0x7FF0000000000000 + 1


@pytest.mark.parametrize("kind", ["bert", "distilbert", "electra"])
def test_model_order_is_that_of_the_model(kind: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {
        "hidden_size": 4, "dim": 4, "num_attention_heads": 1, "n_heads": 1, "intermediate_size": 4, "hidden_dim": 4,
        "vocab_size": 9, "max_position_embeddings": 9, "num_hidden_layers": 11, "n_layers": 11,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **sizes}))
    config = AutoConfig.from_pretrained(tmp_path)
    names = [name for name, _ in AutoModelForSequenceClassification.from_config(config).named_parameters()]
    assert len(names) > 100
    assert sorted(sorted(names), key=model_order) == names
