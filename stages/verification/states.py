"""Two saved states of a model, tensor by tensor: checkpoint folders or weight files, read without torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.repro.digests import of_file

Array = np.ndarray[Any, Any]
MOMENTS = {"first": "first moment", "second": "second moment"}  # NAME/first in moments.safetensors
# A safetensors file sorts its names, so the order of the model is told from the names. Parts that are in neither list
# come between the two, sorted by name, numbers as numbers.
EARLY = (
    "embeddings", "word_embeddings", "position_embeddings", "token_type_embeddings",
    "attention", "self", "query", "q_lin", "key", "k_lin", "value", "v_lin", "out_lin", "sa_layer_norm",
    "intermediate", "ffn", "lin1", "lin2", "dense", "weight",
)  # fmt: skip
LATE = ("LayerNorm", "output", "output_layer_norm", "pooler", "pre_classifier", "out_proj", "classifier", "bias")


@dataclass(frozen=True)
class TensorDifference:
    """The first tensor that differs."""

    name: str  # of the parameter
    kind: str  # weights, first moment, second moment
    file: str  # in which it lies
    elements: int
    differing: int  # elements whose bits differ; 0 when shape or type differ already
    largest: float  # absolute difference, over the elements that are finite in both
    ulps: int  # largest difference, in units in the last place
    form: str = ""  # says how shape or type differ, or which side lacks the tensor


@dataclass(frozen=True)
class StateDifference:
    """How two states differ."""

    tensors: int  # in either
    differing: int
    first: TensorDifference


def compare_states(a: Path, b: Path) -> StateDifference | None:
    """Compare two checkpoint folders `step-N`, or two .safetensors files; return None when every bit is the same.

    Raises InputError that names the file that is missing or damaged.
    """
    ours, theirs = _tensors(a), _tensors(b)
    keys = sorted(ours.keys() | theirs.keys(), key=lambda key: (model_order(key[0]), key[1] != "weights", key[1]))
    found = [d for d in (_difference(key, ours.get(key), theirs.get(key)) for key in keys) if d is not None]
    return StateDifference(len(keys), len(found), found[0]) if found else None


def model_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return what sorts parameter names as the model has them: embeddings, layers by number, head.

    Exact for BERT and DistilBERT and their like; tests hold it against the models.
    """
    return tuple(_place(part) for part in name.split("."))


def ulps(a: Array, b: Array) -> Array:
    """Return the distances, in units in the last place, of arrays of one floating-point or integer type.

    The bits of a float, with negative ones turned round, count its values in order (0.0 and -0.0 lie one apart).
    """
    ranks = [_ranks(array) for array in (a, b)]
    distances: Array = np.maximum(*ranks) - np.minimum(*ranks)
    return distances


def _ranks(array: Array) -> Array:
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    sign = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    bits = array.view(unsigned)
    if array.dtype.kind == "f":
        return np.where(bits & sign, ~bits, bits | sign)
    return bits ^ sign if array.dtype.kind == "i" else bits


def _place(part: str) -> tuple[int, int, str]:
    if part in EARLY:
        return (EARLY.index(part) - len(EARLY), 0, "")
    if part in LATE:
        return (1 + LATE.index(part), 0, "")
    return (0, int(part) if part.isdecimal() else -1, part)


def _tensors(path: Path) -> dict[tuple[str, str], tuple[Path, str]]:
    """Return (parameter, kind) -> (file, name in it) of all tensors of a state."""
    if path.is_dir():
        _check(path)
    files = [path / "weights.safetensors", path / "moments.safetensors"] if path.is_dir() else [path]
    found = {}
    for file in files:
        for name in _names(file):
            parameter, _, moment = name.partition("/")
            found[parameter, MOMENTS.get(moment, "weights")] = (file, name)
    return found


def _check(checkpoint: Path) -> None:
    """Hold a checkpoint against its manifest. Raises InputError naming the file that is not as it was written."""
    for name, digest in read_json(checkpoint / "manifest.json").items():
        file = checkpoint / name
        if not file.is_file() or of_file(file) != digest:
            raise InputError(f"{file}: damaged: not the file that {checkpoint / 'manifest.json'} describes")


def _names(file: Path) -> Iterator[str]:
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    try:
        with safe_open(file, framework="numpy") as opened:
            yield from opened.keys()
    except SafetensorError as error:
        raise InputError(f"{file}: not a readable safetensors file: {error}") from None


def _read(place: tuple[Path, str]) -> Array:
    file, name = place
    try:
        with safe_open(file, framework="numpy") as opened:
            return np.ascontiguousarray(opened.get_tensor(name))
    except (SafetensorError, TypeError) as error:
        raise InputError(f"{file}: {name}: cannot be read: {error}") from None


def _difference(
    key: tuple[str, str], a: tuple[Path, str] | None, b: tuple[Path, str] | None
) -> TensorDifference | None:
    there = a or b
    assert there is not None
    described = {"name": key[0], "kind": key[1], "file": there[0].name}
    if a is None or b is None:
        form = f"only {'B' if a is None else 'A'} has it"
        return TensorDifference(**described, elements=_read(there).size, differing=0, largest=0.0, ulps=0, form=form)
    one, other = _read(a), _read(b)
    if one.shape != other.shape or one.dtype != other.dtype:
        form = f"{one.dtype} {list(one.shape)} in A, {other.dtype} {list(other.shape)} in B"
        return TensorDifference(**described, elements=one.size, differing=0, largest=0.0, ulps=0, form=form)
    distances = ulps(one.reshape(-1), other.reshape(-1))
    where = np.flatnonzero(distances)
    if not len(where):
        return None
    gaps = np.abs(one.reshape(-1)[where].astype(np.float64) - other.reshape(-1)[where].astype(np.float64))
    largest = float(gaps[np.isfinite(gaps)].max(initial=0.0))
    return TensorDifference(
        **described, elements=one.size, differing=len(where), largest=largest, ulps=int(distances.max())
    )
