"""What editors know of params.yaml and dvc.yaml: their schemas, and what the DVC extension shows."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from voluptuous import Invalid

from stages import recipe
from stages.core import yaml12

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "params.schema.json").read_text(encoding="utf-8"))
GRAPH: dict[str, Any] = yaml12.read(ROOT / "dvc.yaml")[0]


def problems(text: str) -> list[str]:
    """Return where an editor would underline `text`, a params.yaml."""
    return [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(yaml12.parse(text, "params.yaml")[0])]


def test_params_yaml_names_its_schema_for_editors() -> None:
    assert TEXT.startswith("# yaml-language-server: $schema=params.schema.json\n")
    Draft202012Validator.check_schema(SCHEMA)


def test_params_yaml_validates() -> None:
    assert problems(TEXT) == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml")))
def test_every_recipe_validates(name: str) -> None:
    assert problems(recipe.merged(name, TEXT, folder=ROOT / "recipes")) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("  lr: ", "  lr: 2 #", "$.train.lr"),
        ("seed: ", "seed: -1 #", "$.seed"),
        ("  epochs:", "  epoch:", "$.train"),
        ("    kind: package", "    kind: pakage", "$.data.source"),
    ],
)
def test_a_mistake_is_underlined(old: str, new: str, where: str) -> None:
    assert where in problems(TEXT.replace(old, new, 1))


def test_dvc_yaml_validates() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA
    COMPILED_MULTI_STAGE_SCHEMA(GRAPH)


def test_dvc_yaml_with_a_mistake_does_not() -> None:
    from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA

    wrong = {**GRAPH, "stages": {"download": {**GRAPH["stages"]["download"], "dep": []}}}
    with pytest.raises(Invalid, match="extra keys not allowed"):
        COMPILED_MULTI_STAGE_SCHEMA(wrong)


def test_the_extension_finds_metrics_and_plots() -> None:
    """It shows what dvc.yaml calls metrics and plots; live, for they are files that finetune writes as it goes."""
    stages = GRAPH["stages"]
    metrics = [next(iter(entry)) for stage in stages.values() for entry in stage.get("metrics", [])]
    plots = [entry for stage in stages.values() for entry in stage.get("plots", [])]
    assert len(metrics) == 4
    assert all(entry[name]["cache"] is False for entry in plots for name in entry)
    (loss,) = GRAPH["plots"]
    assert set(loss["Loss"]["y"]) <= {name for entry in plots for name in entry}
