"""Models read from folders of others: by transformers' own code alone, whatever the folder says.

`trust_remote_code` is False everywhere: unset, transformers asks on the terminal and takes the answer from standard
input. A folder that names code of its own is read by the architecture that its `model_type` is known for, or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING

from stages.core.errors import InputError, nearest, refusals_told
from stages.core.files import check_readable, read_object
from stages.repro.weights import check_weights

REFUSED = {  # fields of config.json with which the weights would be others than those of the folder's safetensors
    "quantization_config": "quantized weights cannot be fine-tuned here: wanted float32, float16 or bfloat16",
    "transformers_weights": "names the file of weights: wanted model.safetensors",
}

SIZES = {  # the names that transformers has for them in every config -> the largest that is built
    "num_hidden_layers": 1000, "num_attention_heads": 10_000, "hidden_size": 1_000_000, "intermediate_size": 10_000_000,
}  # fmt: skip


def config_of(folder: Path, overrides: Mapping[str, Any]) -> Any:
    """Return the config of a model folder with `overrides`. Raises InputError for what no model can be made of."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder}: a model folder without config.json")
    check_readable(folder)
    content = read_object(path)
    if not isinstance(content.get("model_type"), str):
        raise InputError(f"{path}: model_type: found {content.get('model_type')!r}, wanted the name of an architecture")
    if content["model_type"] not in CONFIG_MAPPING:
        raise InputError(
            f"{path}: model_type: {content['model_type']!r} is no architecture that transformers knows, and code that "
            f"a folder brings is never run{nearest(content['model_type'], CONFIG_MAPPING)}"
        )
    for name, reason in REFUSED.items():
        if content.get(name) is not None or overrides.get(name) is not None:
            raise InputError(f"{path}: {name}: {reason}")
    with refusals_told(str(path)):
        config = _pretrained("AutoConfig", folder)
    config.__dict__.pop("auto_map", None)  # nor shall the saved model name code
    known = set(config.to_dict()) - {"transformers_version", "architectures", "model_type"}
    for name, value in overrides.items():
        if name not in known:
            raise InputError(f"model.overrides.{name}: no field of a {config.model_type} config{nearest(name, known)}")
        try:
            setattr(config, name, value)
        except StrictDataclassError as error:
            raise InputError(f"model.overrides.{name}: {error.__cause__ or error}") from error
    _check_sizes(config, path, overrides)
    return config


def _check_sizes(config: Any, path: Path, overrides: Mapping[str, Any]) -> None:
    for name, most in SIZES.items():
        value = getattr(config, name, None)
        if isinstance(value, int) and not 1 <= value <= most:
            where = "model.overrides." if name in overrides else f"{path}: "
            raise InputError(f"{where}{name}: found {value}, wanted a whole number from 1 to {most:,}")


def drawn(auto: str, config: Any, key: int) -> Any:
    """Return a model of the Auto class `auto` whose weights are all drawn, as a function of `key`.

    Raises whatever transformers does.
    """
    torch.manual_seed(key)
    return getattr(transformers, auto).from_config(config, trust_remote_code=False).float()


def read(auto: str, folder: Path, config: Any, key: int) -> tuple[Any, Mapping[str, Any]]:
    """Return a model of the Auto class `auto` with the weights in `folder`, float32, and what is said of their names.

    Weights that are not there, or have another shape, are drawn as a function of `key`. Raises InputError for files
    that are no whole safetensors, else whatever transformers does.
    """
    check_weights(folder)
    torch.manual_seed(key)
    model, info = _pretrained(
        auto, folder, config=config, output_loading_info=True, dtype=torch.float32, use_safetensors=True,
        ignore_mismatched_sizes=True,
    )  # fmt: skip
    return model, info


def _pretrained(auto: str, folder: Path, **options: Any) -> Any:
    """Call `from_pretrained` of an Auto class, on files of `folder` and code of transformers alone."""
    known = getattr(transformers, auto)
    return known.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
