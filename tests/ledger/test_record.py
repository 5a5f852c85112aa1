"""What is in a triple, what is not, and when a lock is not the record of one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.core.errors import InputError
from stages.ledger.history import Snapshot
from stages.ledger.record import Record, read
from stages.ledger.triple import NEUTRAL
from tests.ledger.history import Made

ROOT = Path(__file__).parents[2]
NOWHERE = Path("nowhere")
HEAD = b"schema: '2.0'\nstages:\n"


def record(made: Made, cache: Path = NOWHERE) -> Record:
    return read(Snapshot("", (), made.files()), cache)


def edited(cache: Path = NOWHERE, **stages: dict[str, Any] | None) -> Record:
    """Return the record of a lock in which some keys of some stages are others; None drops a stage."""
    tree = {name: {**entry, **(stages.get(name) or {})} for name, entry in Made().stages().items()}
    tree = {name: entry for name, entry in tree.items() if name not in stages or stages[name] is not None}
    files = {**Made().files(), "dvc.lock": yaml.safe_dump({"schema": "2.0", "stages": tree}, sort_keys=False).encode()}
    return read(Snapshot("", (), files), cache)


@pytest.mark.parametrize(
    "changes", [{"raw": "x"}, {"core": "x"}, {"lr": 1e-4}, {"seed": 1}, {"order": 1}, {"params": {"epochs": 1}}]
)
def test_what_decides_the_bits_is_another_triple(changes: dict[str, Any]) -> None:
    assert record(Made(**changes)).triple != record(Made()).triple


@pytest.mark.parametrize(
    "changes",
    [
        {"every": 7}, {"url": "elsewhere"}, {"inputs": "x"}, {"weights": "x"}, {"accuracy": 0.5},
        {"environment": {"workers": 4}}, {"order": 42},
    ],
)  # fmt: skip
def test_what_cannot_change_the_bits_is_the_same_triple(changes: dict[str, Any]) -> None:
    assert record(Made(**changes)).triple == record(Made()).triple


def test_one_number_has_one_spelling() -> None:
    assert record(Made(params={"a": [1.0, {"b": 2.0}]})).triple == record(Made(params={"a": [1, {"b": 2}]})).triple
    assert record(Made(params={"a": True})).triple != record(Made(params={"a": 1})).triple


def test_a_seed_that_no_stream_takes_is_not_counted() -> None:
    params = {"params.yaml": {"seed": 42, "seed_streams.order": 7}}
    other = {"params.yaml": {"seed": 43, "seed_streams.order": 7}}
    assert edited(finetune={"params": params}).triple == edited(finetune={"params": other}).triple


def test_neutral_params_are_params_of_the_project() -> None:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert all(key.partition(".")[2] in tree[key.partition(".")[0]] for key in NEUTRAL)


def test_the_parts_of_a_record() -> None:
    found = record(Made(params={"tuning": {"name": "full"}, "clip": None}))
    assert sorted(found.data) == ["data/raw"]
    assert sorted(found.code) == ["command evaluate", "command finetune", "command tokenize", "stages/core"]
    assert found.parameters["train.tuning.name"] == "full"
    assert found.parameters["train.clip"] is None
    assert found.parameters["data.source.url"] == "mirror"
    assert found.metrics == {"evaluate.accuracy": 0.97}
    assert list(found.outputs) == ["tokenize", "finetune", "evaluate"]
    assert found.environment == {"seconds": 600.1, "processor": "A"}
    assert (found.faults, found.notes) == ((), ())


def test_the_number_of_the_lock_is_read_as_yaml_1_2() -> None:
    files = Made(lr=3e-5).files()
    assert b"lr: 3.0e-05" in files["dvc.lock"]
    written = {**files, "dvc.lock": files["dvc.lock"].replace(b"lr: 3.0e-05", b"lr: 3e-05")}  # as DVC does
    assert read(Snapshot("", (), written), NOWHERE).triple == record(Made(lr=3e-5)).triple


def test_the_lock_of_this_project_is_the_record_of_one_run() -> None:
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in (ROOT / "metrics").glob("*.json")}
    found = read(Snapshot("", (), {"dvc.lock": (ROOT / "dvc.lock").read_bytes(), **files}), NOWHERE)
    assert (found.faults, found.notes) == ((), ())
    assert sorted(found.data) == ["data/raw", "data/resource", "models/base", "models/teacher"]
    assert found.metrics["evaluate.accuracy"] > 0.9


@pytest.mark.parametrize(
    ("stages", "fault"),
    [
        ({"finetune": None}, "dvc.lock has no finetune"),
        (
            {"evaluate": {"deps": [{"path": "models/finetuned", "md5": "old"}]}},
            "dvc.lock mixes runs: finetune and evaluate differ in models/finetuned",
        ),
        (
            {"evaluate": {"deps": [{"path": "stages/core", "md5": "old"}]}},
            "dvc.lock mixes runs: tokenize and evaluate differ in stages/core",
        ),
        (
            {"evaluate": {"params": {"params.yaml": {"seed": 1}}}},
            "dvc.lock mixes runs: finetune and evaluate differ in param seed",
        ),
    ],
)
def test_stages_that_disagree_are_not_one_run(stages: dict[str, Any], fault: str) -> None:
    assert edited(**stages).faults == (fault,)


def test_the_code_that_only_fetched_may_be_older() -> None:
    assert edited(download={"deps": [{"path": "stages/core", "md5": "old"}]}).faults == ()


def test_a_file_of_a_folder_is_checked_when_the_cache_lists_it(tmp_path: Path) -> None:
    listing = tmp_path / "ab" / "cd.dir"
    listing.parent.mkdir()
    listing.write_text(json.dumps([{"relpath": "train.arrow", "md5": "new"}]))
    stages = {
        "tokenize": {"outs": [{"path": "data/tokens", "md5": "abcd.dir"}]},
        "finetune": {"deps": [{"path": "data/tokens/train.arrow", "md5": "old"}]},
    }
    assert edited(tmp_path, **stages).faults == (
        "dvc.lock mixes runs: tokenize and finetune differ in data/tokens/train.arrow",
    )
    assert edited(**stages).faults == ()


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (None, "metrics/evaluate.json is missing"),
        (b"{}", "metrics/evaluate.json is not that of dvc.lock"),
    ],
)
def test_metrics_of_another_run_are_not_taken(content: bytes | None, note: str) -> None:
    files = {k: v for k, v in Made().files().items() if k != "metrics/evaluate.json"}
    found = read(Snapshot("", (), files if content is None else {**files, "metrics/evaluate.json": content}), NOWHERE)
    assert (found.metrics, found.notes) == ({}, (note,))


def test_a_lock_of_another_layout_is_the_same_record() -> None:
    files = Made().files()
    flow = yaml.safe_dump(yaml.safe_load(files["dvc.lock"]), default_flow_style=True, width=10_000).encode()
    assert read(Snapshot("", (), {**files, "dvc.lock": flow}), NOWHERE) == record(Made())


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b'{"finetune": 1}'])
def test_an_environment_that_is_none_is_not_known(content: bytes) -> None:
    assert read(Snapshot("", (), {**Made().files(), "metrics/environment.json": content}), NOWHERE).environment == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"<<<<<<< HEAD\n" + HEAD,
        HEAD + b"<<<<<<< HEAD\n  a:\n    cmd: x\n",
        HEAD + b"  a:\n<<<<<<< HEAD\n    cmd: x\n",
        HEAD + b"  a:\n    cmd: x\n=======\n    deps:\n",
        HEAD + b"  a: 1\n",
        HEAD + b"  a:\n    deps: &a [*a]\n",
        HEAD + b"  a:\n    cmd: \xff\n",
        HEAD + b"  a:\n    deps:\n",
        HEAD + b"  a:\n    cmd: x\n    outs:\n    - path: y\n",
        HEAD + b"  a:\n    cmd: x\n    outs: 3\n",
    ],
)
def test_a_broken_lock_is_told(text: bytes) -> None:
    with pytest.raises(InputError, match="^commit abcdefa: dvc.lock: (a: )?not as `dvc repro` writes it"):
        read(Snapshot("abcdefabcdef", (), {"dvc.lock": text}), NOWHERE)
