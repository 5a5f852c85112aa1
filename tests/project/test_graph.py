"""What dvc.yaml says of the stages, and what each of them reads by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.project import graph
from stages.project.graph import Stage
from tests.tiny import ROOT

GRAPH = """stages:
  first:
    cmd: python -m stages.first
    deps: [data/a]
    params: [train.lr]
    outs: [data/first]
    metrics:
      - metrics/first.json:
          cache: false
    plots: [metrics/first]
  second:
    cmd: python -m stages.second
"""


def test_stages(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    outs = ("data/first", "metrics/first.json", "metrics/first")
    assert graph.stages(tmp_path) == [
        Stage("first", "python -m stages.first", ("data/a",), ("train.lr",), outs),
        Stage("second", "python -m stages.second", (), (), ()),
    ]


def test_our_own() -> None:
    assert [stage.name for stage in graph.stages(ROOT)] == [
        "download",
        "preprocess",
        "tokenize",
        "finetune",
        "evaluate",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "dvc.yaml: found no stages, wanted the sections of dvc.yaml"),
        ("stages: [a]", "dvc.yaml: found no stages, wanted the sections of dvc.yaml"),
        (
            "stages: {a: {foreach: [1], do: {cmd: b}}}",
            "dvc.yaml: stages.a.cmd: not as this project writes it: wanted one",
        ),
        (
            "stages: {a: {cmd: b, deps: c}}",
            "dvc.yaml: stages.a.deps: not as this project writes it: wanted a list of pa",
        ),
        (
            "stages: {a: {cmd: b, params: [{c: d}]}}",
            "dvc.yaml: stages.a.params: not as this project writes it: wanted a",
        ),
        (
            "stages: {a: {cmd: b, outs: [3]}}",
            "dvc.yaml: stages.a.outs: not as this project writes it: wanted a list of",
        ),
    ],
)
def test_another_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        graph.stages(tmp_path)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("text", [None, "stages: {other: {cmd: b}}"], ids=["no dvc.yaml", "another stage"])
def test_where_nobody_records_what_was_read_nothing_is_checked(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "dvc.yaml").write_text(text)
    inputs = graph.inputs("first", tmp_path)
    (tmp_path / "params.yaml").write_text("train: [")
    inputs.accept({})


def test_inputs_are_those_of_the_stage(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "params.yaml").write_text("train: {lr: 1, epochs: 2}\n")
    inputs = graph.inputs("first", tmp_path)
    (tmp_path / "params.yaml").write_text("train: {lr: 1, epochs: 3}\n")
    inputs.accept({})
    (tmp_path / "params.yaml").write_text("train: {lr: 2, epochs: 3}\n")
    with pytest.raises(InputError, match=r"train\.lr of params\.yaml \(from 1 to 2\)"):
        inputs.check()
