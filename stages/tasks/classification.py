"""Text classification: one label a text, a linear head on the encoder's pooled output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, refusals_told
from stages.interfaces import Built

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


@dataclass(frozen=True)
class Classification:
    """One label a text."""

    def model(
        self, folder: Path, labels: Sequence[str], init: str, head: str, overrides: Mapping[str, Any], key: int
    ) -> Built:
        """Return the base model in `folder` with a head for `labels`.

        `init` is pretrained or random; `head` is new, or kept for that of a base which was fine-tuned for the same
        labels; `overrides` are fields of the model's config; `key` seeds the new weights. Raises InputError for an
        unknown field, or for one with which pretrained weights cannot be used.
        """
        from stages.tasks.loading import config_of, drawn, read

        config = config_of(folder, overrides)
        own = [str(name) for _, name in sorted((config.id2label or {}).items())]
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {name: index for index, name in enumerate(labels)}
        with refusals_told(f"{folder}: {_told(overrides)}the model cannot be built"):
            if init == "random":
                if head == "kept":
                    raise InputError("model.head: kept, but model.init is random: its weights are drawn")
                model = _ready(drawn(config, key))
                return Built(model, _head_of(model), ())
            model, info = read(folder, config, key)
            classifier = _head_of(model).isdisjoint(info["missing_keys"])
            if head == "kept":
                _refuse_other_head(folder, classifier, own, labels)
            elif classifier:  # its last layer was learnt for other labels, or for the same ones on other data
                _copy(drawn(config, key), model, _head_of(model))
            _refuse_lost(folder, overrides, model, info)
            model = _ready(model)
        notes = [f"model.head: new: the base's own head, of {_few(own)}, is left out"] * (classifier and head == "new")
        if overrides and info["unexpected_keys"]:
            notes.append(f"{_told(overrides)}left out of the base's weights: {_few(sorted(info['unexpected_keys']))}")
        return Built(model, frozenset(info["missing_keys"]) | (_head_of(model) if classifier else set()), notes)

    def load(self, folder: Path) -> nn.Module:
        """Return the fine-tuned model that was saved in `folder`. Raises InputError when it cannot be read."""
        from stages.tasks.loading import config_of, read

        config = config_of(folder, {})
        with refusals_told(f"{folder}: the model cannot be read"):
            model, info = read(folder, config, 0)
        absent = sorted([*info["missing_keys"], *(str(m[0]) for m in info["mismatched_keys"])])
        if absent:
            raise InputError(f"{folder}: no fine-tuned classifier: no weights that fit {_few(absent)}")
        ready: nn.Module = _ready(model)
        return ready

    def packed(self, model: nn.Module) -> bool:
        """Return whether `model` computes without padding."""
        from stages.tasks.packed import is_packed

        return is_packed(model)

    def collate(self, rows: Sequence[np.ndarray[Any, Any]], length: int, pad: int) -> dict[str, Tensor]:
        """Return input_ids and attention_mask, each (B, length) int64, of token rows padded by `pad` at the end."""
        import torch

        ids = torch.full((len(rows), length), pad, dtype=torch.int64)
        mask = torch.zeros((len(rows), length), dtype=torch.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.from_numpy(row.astype("int64"))
            mask[index, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask}


def _ready(model: Any) -> Any:
    """Copy every weight to memory of torch's own alignment, and leave out work that no logit needs.

    Files are memory-mapped, and a kernel may choose its path, hence its bits, by the alignment of what it reads.
    """
    from stages.tasks.packed import pack

    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.clone()
    return pack(model)


def _head_of(model: Any) -> frozenset[str]:
    """Return the names of the parameters that are not of the base model."""
    base = {f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()}
    return frozenset(name for name, _ in model.named_parameters() if name not in base)


def _copy(source: Any, target: Any, names: frozenset[str]) -> None:
    values = source.state_dict()
    for name, parameter in target.named_parameters():
        if name in names:
            parameter.data = values[name].clone()


def _refuse_other_head(folder: Path, classifier: bool, own: Sequence[str], labels: Sequence[str]) -> None:
    """Raise InputError unless the base is a classifier of `labels`, in that order."""
    if not classifier:
        raise InputError(f"model.head: kept, but {folder} is no classifier: set model.head: new")
    if list(own) != list(labels):
        raise InputError(
            f"model.head: kept, but the base's labels are {_few(own)} and those of the data {_few(labels)}: "
            "set model.head: new"
        )


def _refuse_lost(folder: Path, overrides: Mapping[str, Any], model: Any, info: Mapping[str, Any]) -> None:
    """Raise InputError when weights of the base model itself would be drawn; a pooler may be, it is often left out."""
    head = _head_of(model)
    lost = sorted(n for n in info["missing_keys"] if n not in head and "pooler" not in n)
    lost += sorted(str(m[0]) for m in info["mismatched_keys"] if str(m[0]) not in head)
    if not lost:
        return
    if overrides:
        choice = "take the override back, or set model.init: random to draw all weights"
    else:
        held = " or ".join(map(str, model.config.architectures or ["another model"]))
        choice = (
            f"the folder holds a {held}: choose one with the weights of a {type(model.base_model).__name__} "
            "(model.init: random would draw all weights, and what the base has learnt would be lost)"
        )
    raise InputError(f"{folder}: {_told(overrides)}no pretrained weights fit {_few(lost)}; {choice}")


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _told(overrides: Mapping[str, Any]) -> str:
    return "with model.overrides " + ", ".join(f"{k}={v}" for k, v in overrides.items()) + ": " if overrides else ""
