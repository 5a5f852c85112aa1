"""Text classification: one label a text, a linear head on the encoder's pooled output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, nearest

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


@dataclass(frozen=True)
class Classification:
    """One label a text."""

    def model(
        self, folder: Path, labels: Sequence[str], init: str, overrides: Mapping[str, Any], key: int
    ) -> tuple[nn.Module, frozenset[str]]:
        """Return the base model in `folder` with a new head for `labels`, and the names of the head's parameters.

        `init` is pretrained or random; `overrides` are fields of the model's config; `key` seeds the new weights.
        Raises InputError for an unknown field, or for one with which pretrained weights cannot be used.
        """
        import torch
        from transformers import AutoModelForSequenceClassification as Auto

        config = _config(folder, overrides)
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {name: index for index, name in enumerate(labels)}
        torch.manual_seed(key)
        try:
            if init == "random":
                model = Auto.from_config(config)  # type: ignore[no-untyped-call]
                base = {f"{model.base_model_prefix}.{n}" for n, _ in model.base_model.named_parameters()}
                return _ready(model.float()), frozenset(n for n, _ in model.named_parameters() if n not in base)
            model, info = Auto.from_pretrained(
                folder, config=config, output_loading_info=True, dtype=torch.float32, local_files_only=True,
                use_safetensors=True, ignore_mismatched_sizes=True,
            )  # fmt: skip
        except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
            raise InputError(f"{folder}: {_told(overrides)}the model cannot be built: {_first_line(error)}") from error
        missing = frozenset(info["missing_keys"])
        prefix = f"{model.base_model_prefix}."
        lost = sorted(n for n in missing if n.startswith(prefix) and "pooler" not in n)
        lost += sorted(str(m[0]) for m in info["mismatched_keys"])
        if lost:
            raise InputError(
                f"{folder}: {_told(overrides)}no pretrained weights fit {lost[0]}"
                f"{f' and {len(lost) - 1} more' if len(lost) > 1 else ''}; set model.init: random to draw them"
            )
        return _ready(model), missing

    def load(self, folder: Path) -> nn.Module:
        """Return the fine-tuned model that was saved in `folder`. Raises InputError when it cannot be read."""
        import torch
        from transformers import AutoModelForSequenceClassification as Auto

        try:
            model: nn.Module = Auto.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{folder}: the model cannot be read: {_first_line(error)}") from error
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


def _config(folder: Path, overrides: Mapping[str, Any]) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: a model folder without config.json")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder / 'config.json'}: {_first_line(error)}") from error
    known = set(config.to_dict()) - {"transformers_version", "architectures", "model_type"}
    for name, value in overrides.items():
        if name not in known:
            raise InputError(f"model.overrides.{name}: no field of a {config.model_type} config{nearest(name, known)}")
        try:
            setattr(config, name, value)
        except StrictDataclassError as error:
            raise InputError(f"model.overrides.{name}: {error.__cause__ or error}") from error
    return config


def _told(overrides: Mapping[str, Any]) -> str:
    return "with model.overrides " + ", ".join(f"{k}={v}" for k, v in overrides.items()) + ": " if overrides else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
