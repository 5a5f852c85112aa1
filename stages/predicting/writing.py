"""How stages.predict writes responses: as evaluate does by ./params.yaml, if there is one, and options in its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.params import PARAMS, Section, decode
from stages.scoring.generation import Generate

OPTIONS = ("max_new_tokens", "stop", "repetition_penalty")
WINDOW = 64  # prompts that are answered together and then told


class Evaluate(Section):
    """What is read of section `evaluate`."""

    generate: Generate


class Params(Section):
    """What is read of params.yaml, where there is one."""

    evaluate: Evaluate


def generation(asked: Mapping[str, Any], params: Path = PARAMS) -> Generate:
    """Return how responses are written; `asked` has what the command line says of OPTIONS, None where nothing."""
    tree = yaml12.read(params)[0] if params.is_file() else None
    section = tree.get("evaluate") if isinstance(tree, dict) else None
    held = section.get("generate") if isinstance(section, dict) else None
    options = {name: asked[name] for name in OPTIONS if asked[name] is not None}
    generate = {**(held if isinstance(held, dict) else {}), **options}
    return decode(Params, {"evaluate": {"generate": generate}}, {}, "options").evaluate.generate
