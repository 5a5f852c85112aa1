"""Fine-tuned models as they are saved: whole, or an adapter that stands on its base."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from stages.core.errors import InputError
from stages.core.files import read_object, write_json
from stages.core.params import Section, choice, decode, options_of
from stages.learning import Built, Tuning
from stages.repro import digests
from stages.tuning import TUNING

WEIGHTS, CONFIG, TASK = "adapter_model.safetensors", "adapter_config.json", "task.json"


class Train(Section):
    """What params.yaml said of the method."""

    tuning: choice(TUNING)  # type: ignore[valid-type]


class Told(Section):
    """What task.json says of an adapter's method."""

    train: Train


def tuned(built: Built, tuning: Tuning, kept: bool, key: int) -> tuple[Any, frozenset[str]]:
    """Return the model that learns by `tuning`, and the names of what was drawn: head, unless `kept`, and additions.

    What is added is a function of `key`. Raises InputError for a method that does not fit the model.
    """
    own = {name for name, _ in built.model.named_parameters()}
    model = tuning.apply(built.model, built.head, key)
    added = {name for name, parameter in model.named_parameters() if parameter.requires_grad and name not in own}
    return model, frozenset(added | (set() if kept else built.head))


def save(model: Any, tuning: Tuning, head: frozenset[str], base: Path, folder: Path) -> dict[str, Any]:
    """Write the weights of `model`, to which `tuning` was applied, and its config; return what task.json says of it.

    `head` names the parameters that the base in the folder `base` has not.
    """
    if tuning.save != "adapter":
        model.save_pretrained(folder)
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    learnt = {name: tensor.detach().cpu().contiguous() for name, tensor in tuning.learnt(model).items()}
    save_file(learnt, folder / WEIGHTS, metadata={"format": "pt"})
    if (config := tuning.described(model, head)) is not None:
        write_json(folder / CONFIG, config)
    return {"adapter": {"base": digest_of(base), "head": sorted(head), "tuning": options_of(TUNING, tuning)}}


def digest_of(base: Path) -> str:
    """Return the digest of a model folder: of its files, by name and content."""
    return digests.of_value(digests.of_folder(base))


def adapter_in(folder: Path) -> Mapping[str, Any] | None:
    """Return what is said of the adapter in `folder`, None where it holds a whole model."""
    path = folder / TASK
    told = read_object(path).get("adapter") if path.is_file() else None
    if told is not None and not (isinstance(told, dict) and isinstance(told.get("head"), list)):
        raise InputError(f"{path}: adapter: wanted base, head and tuning, as finetune saved them")
    return told


def base_of(folder: Path, told: Mapping[str, Any]) -> Path:
    """Return the folder of the base, which lies beside that of the adapter. Raises InputError for another base."""
    base = folder.resolve().parent / "base"
    if not base.is_dir():
        raise InputError(f"{folder}: an adapter, whose base is wanted beside it: {base} is no folder")
    if (found := digest_of(base)) != told.get("base"):
        raise InputError(
            f"{folder}: an adapter of another base: its digest is {str(told.get('base'))[:16]}…, that of {base} "
            f"{found[:16]}…"
        )
    return base


def put(model: Any, told: Mapping[str, Any], folder: Path) -> Any:
    """Return `model`, the base with a head, with the adapter that `folder` holds.

    Raises InputError unless the file has just the tensors that the method adds, and those of the head.
    """
    tuning: Tuning = decode(Told, {"train": {"tuning": told.get("tuning")}}, {}, str(folder / TASK)).train.tuning
    made: Any = tuning.apply(model, frozenset(told["head"]), 0)
    wanted: Mapping[str, Tensor] = tuning.learnt(made)
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path}: missing")
    held = load_file(path)
    for name in sorted(wanted.keys() ^ held.keys()):
        raise InputError(f"{path}: {name}: {'missing' if name in wanted else 'of no module that the method adds'}")
    with torch.no_grad():
        for name, tensor in wanted.items():
            if tensor.shape != held[name].shape:
                raise InputError(f"{path}: {name}: found shape {tuple(held[name].shape)}, wanted {tuple(tensor.shape)}")
            tensor.copy_(held[name])
    return made
