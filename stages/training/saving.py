"""The folder that finetune leaves: a model that others load, and what it was trained for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.core.files import read_json, write_json
from stages.encoding import save_tokenizer
from stages.learning import Tuning
from stages.models import save


def save_model(
    tuning: Tuning, model: Any, head: frozenset[str], schema: dict[str, Any], base: Path, folder: Path, segments: bool
) -> None:
    """Write a folder that transformers' Auto classes load, free of machine paths, and what it was trained for.

    `head` names the parameters that the base in the folder `base` has not; `schema` is that of data/tokens;
    `segments`: whether the model is given token_type_ids.
    """
    adapter = save(model, tuning, head, base, folder)
    config = read_json(folder / "config.json")
    config.pop("_name_or_path", None)
    write_json(folder / "config.json", config)
    write_json(folder / "task.json", {key: schema[key] for key in ("input", "target", "space")} | adapter)
    template = schema["input"].get("template")
    save_tokenizer(base, folder, schema["max_length"], schema["pad_token_id"], segments, template)
