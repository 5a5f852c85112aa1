"""Checkpoints for exact resume: whole or not there, checked when read.

A checkpoint is a folder `step-N` with safetensors files, state.json and, written last, manifest.json with the SHA-256
of each. It is written under another name, synced, and renamed. The two newest are kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from stages.core import cli
from stages.core.errors import InputError
from stages.core.files import canonical_json, read_json, sync, write_json
from stages.repro.digests import of_file

KEPT = 2
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """What `save` was given, read back."""

    step: int
    tensors: Mapping[str, dict[str, Tensor]]  # file stem -> name -> tensor
    state: dict[str, Any]


def save(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], kept: int = KEPT
) -> None:
    """Write checkpoint `step` below `folder`, then remove all but the `kept` newest.

    Raises InputError when it cannot be written; the checkpoints before it are then as they were.
    """
    target = folder / f"step-{step:010d}"
    partial = folder / f".{target.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        digests = {f"{stem}.safetensors": _write(partial / f"{stem}.safetensors", tensors[stem]) for stem in tensors}
        write_json(partial / "state.json", {"step": step, **state})
        write_json(partial / MANIFEST, {**digests, "state.json": of_file(partial / "state.json")})
        sync(partial)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
        sync(folder, deep=False)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise InputError(f"{target}: the checkpoint cannot be written: {error}") from error
    for old in list(_newest_first(folder))[kept:]:
        shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write float32 tensors as a safetensors file and return its SHA-256.

    The library's own writer first copies all of them, as much memory as a training run has to spare; and its file has
    to be read again for the digest. https://huggingface.co/docs/safetensors describes the format.
    """
    header, offset = {}, 0
    for name, tensor in tensors.items():
        assert tensor.dtype == torch.float32
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 8)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in (len(told).to_bytes(8, "little"), told):
            file.write(piece)
            digest.update(piece)
        for tensor in tensors.values():
            data = tensor.detach().cpu().contiguous().view(-1).numpy().data.cast("B")
            file.write(data)
            digest.update(data)
    return digest.hexdigest()


def latest(folder: Path) -> Iterator[Checkpoint]:
    """Yield the sound checkpoints below `folder`, newest first; each damaged one is named on standard error."""
    for path in _newest_first(folder):
        try:
            yield _load(path)
        except InputError as error:
            cli.say(f"finetune: warning: {error}; it is not used")


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True)


def _load(path: Path) -> Checkpoint:
    """Read a checkpoint after checking every byte of it. Raises InputError that names the file that is damaged."""
    manifest = read_json(path / MANIFEST)
    if not isinstance(manifest, dict) or (path / MANIFEST).read_text(encoding="utf-8") != canonical_json(manifest):
        raise InputError(f"{path / MANIFEST}: damaged: not as it was written")
    for name, digest in manifest.items():
        file = path / name
        if not file.is_file():
            raise InputError(f"{file}: damaged: missing")
        if (found := of_file(file)) != digest:
            raise InputError(f"{file}: damaged: sha256 is {found[:12]}…, wanted {str(digest)[:12]}…")
    state = read_json(path / "state.json")
    tensors = {f.stem: load_file(f) for f in sorted(path.glob("*.safetensors"))}
    return Checkpoint(step=int(state.pop("step")), tensors=tensors, state=state)
