"""The record of what a result was made on."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from stages.core.files import read_json
from stages.repro import environment


def test_it_names_processor_and_versions() -> None:
    found = environment.describe()
    assert found["packages"]["torch"] == importlib.metadata.version("torch")
    assert found["processor"]
    assert found["cores"] >= 1


def test_each_stage_has_its_own_record(tmp_path: Path) -> None:
    file = tmp_path / "metrics" / "environment.json"
    environment.record("finetune", {"seconds": 1.5}, file)
    environment.record("evaluate", {"seconds": 2.5}, file)
    environment.record("finetune", {"seconds": 3.5}, file)
    assert {stage: facts["seconds"] for stage, facts in read_json(file).items()} == {"evaluate": 2.5, "finetune": 3.5}


def test_the_host_is_not_named(tmp_path: Path) -> None:
    import platform

    file = tmp_path / "environment.json"
    environment.record("finetune", {}, file)
    assert platform.node() not in file.read_text()
