"""Files of weights, checked before a library reads them: whole, and safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import InputError

UNSAFE_WEIGHTS = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pt2", ".pth")  # pickles: loading one can run code
# weights_only refuses code; clone gives tensors that share memory memory of their own, as safetensors wants it.
CONVERSION = """\
python -c "
import sys, torch
from safetensors.torch import save_file
weights = torch.load(sys.argv[1], map_location='cpu', weights_only=True)
save_file({name: t.clone().contiguous() for name, t in weights.items()}, sys.argv[2], metadata={'format': 'pt'})
" pytorch_model.bin model.safetensors"""
_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_HEADER = 100_000_000  # bytes: what safetensors itself allows


def unsafe(name: str) -> str | None:
    """Return what to say of a file of this name that is a pickle; None if it is none."""
    if not name.endswith(UNSAFE_WEIGHTS):
        return None
    return f"{name} may hold code; wanted weights as safetensors. Convert what you trust, once:\n{CONVERSION}"


def check_pointer(path: Path) -> None:
    """Raise InputError when the file is the pointer that Git LFS leaves in the place of one that was not fetched."""
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            wanted = "safetensors" if path.suffix == ".safetensors" else "the file itself"
            raise InputError(f"{path}: not {wanted}: a Git LFS pointer; fetch it (git lfs pull)")


def check_weights(folder: Path) -> None:
    """Raise InputError unless `folder` is that of a whole model: every safetensors file, and every part, is whole."""
    if (folder / "adapter_config.json").is_file():
        raise InputError(f"{folder / 'adapter_config.json'}: an adapter, wanted a whole model: merge it into its base")
    for path in sorted(folder.rglob("*.safetensors")):
        check_pointer(path)
        _check_size(path)
    for index in sorted(folder.rglob("*.safetensors.index.json")):
        for name in sorted(_parts(index)):
            if not (index.parent / name).is_file():
                raise InputError(f"{index}: names {name}, which is not beside it")


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        start = file.read(1)
        if size < 9 or start != b"{" or length > _LARGEST_HEADER:
            raise InputError(f"{path}: not safetensors: no header at its begin ({size:,} bytes)")
        header = start + file.read(length - 1)
    if len(header) < length:
        raise InputError(f"{path}: cut off: found {size:,} bytes, wanted more than {length + 8:,}")
    try:
        wanted = 8 + length + max([0, *_ends(json.loads(header))])
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise InputError(f"{path}: not safetensors: its header cannot be read") from None
    if size != wanted:
        fault = "cut off" if size < wanted else "too long"
        raise InputError(f"{path}: {fault}: found {size:,} bytes, wanted {wanted:,}")


def _ends(header: dict[str, Any]) -> Iterator[int]:
    for name, tensor in header.items():
        if name != "__metadata__":
            yield int(tensor["data_offsets"][1])


def _parts(index: Path) -> set[str]:
    try:
        return {str(name) for name in json.loads(index.read_bytes())["weight_map"].values()}
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise InputError(f"{index}: no index of safetensors: wanted an object with weight_map") from None
