"""CITATION.cff is valid, as it stands and with the DOI that a release gets, and tells the version of the project."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
SCHEMA = json.loads(
    (files("check_jsonschema") / "builtin_schemas/vendor/citation-file-format.json").read_text(encoding="utf-8")
)


def faults(text: str) -> list[str]:
    return [fault.json_path for fault in Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("# doi:", "doi:")])
def test_it_is_valid(text: str) -> None:
    assert faults(text) == []


def test_the_schema_would_tell() -> None:
    broken = TEXT.replace("# doi: 10.", "doi: https://doi.org/10.").replace("2026-11-26", "today")
    assert sorted(faults(broken)) == ["$.doi", "$['date-released']"]


def test_the_version_is_the_project_s() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load(TEXT)
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
