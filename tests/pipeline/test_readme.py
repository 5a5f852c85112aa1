"""Every command of README.md runs, on the recipe `smoke`; each block in a clone of its own, line after line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pipeline.closure import ROOT
from tests.pipeline.conftest import Clone

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.strip().splitlines() for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)]


def test_there_are_commands() -> None:
    assert ["make repro"] in BLOCKS
    assert ["make test"] in BLOCKS
    assert sum(map(len, BLOCKS)) > 15


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block[0])
def test_block(clone: Clone, block: list[str]) -> None:
    for command in block:
        if command == "make test":
            assert "pytest" in clone.run("make --dry-run test")  # these tests are what it would run
            continue
        clone.run(command)
        if command == "python -m stages.recipe tsv":
            _use_the_smoke_model(clone)  # the recipe's own has to be downloaded


def _use_the_smoke_model(clone: Clone) -> None:
    from ruamel.yaml import YAML

    yaml, path = YAML(), clone.root / "params.yaml"
    params = yaml.load(path)
    smoke = yaml.load(clone.root / "recipes/smoke.yaml")
    params["model"]["source"], params["model"]["init"] = smoke["model"]["source"], "random"
    params["tokenize"]["max_length"] = smoke["tokenize"]["max_length"]
    yaml.dump(params, path)


@pytest.mark.parametrize("name", re.findall(r"\]\(([^)#:]+)\)", README))
def test_what_it_links_to_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", re.findall(r"`((?:stages|metrics|inputs|recipes)/[\w./]+)`", README))
def test_what_it_names_is_there(reproduced: Clone, name: str) -> None:
    assert (reproduced.root / name).exists()


def test_recipes_are_all_in_the_table() -> None:
    named = set(re.findall(r"^\| `(\w+)`.* \| ", README, re.MULTILINE))
    assert named >= {path.stem for path in Path(ROOT, "recipes").glob("*.yaml")}
