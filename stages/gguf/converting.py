"""A GGUF file in a model folder gives way to what every stage reads. The same file gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError
from stages.core.files import write_json


def convert(folder: Path) -> None:
    """Replace the GGUF file in `folder`, if there is one, by config.json, model.safetensors and the tokenizer's files.

    Its numbers are float32; no code of the file is run, its chat template is only copied. Raises InputError for a file
    that is no sound GGUF, for several, for an architecture, tokenizer or type that is not converted, and for files
    beside it that would be written over.
    """
    found = sorted(folder.rglob("*.gguf"))
    if not found:
        return
    others = sorted(path.name for path in folder.rglob("*") if path.is_file() and path not in found)
    if len(found) > 1 or others:
        held = ", ".join([*(path.name for path in found), *others])
        raise InputError(f"{folder}: a GGUF file is a whole model, wanted nothing beside it: found {held}")
    from safetensors.numpy import save_file

    from stages.gguf import tokenizer
    from stages.gguf.architecture import Architecture
    from stages.gguf.reading import read

    file = read(found[0])
    architecture = Architecture.of(file)
    weights = architecture.weights(file)
    tokenizer.write(file, folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", {k: v for k, v in architecture.config(file).items() if v is not None})
    del file
    found[0].unlink()
