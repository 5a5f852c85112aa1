"""`dvc exp run -S` for each kind of change: the stages that run. Their commands are stood in for, the graph is real."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pipeline.conftest import Clone, stages_run
from tests.pipeline.test_graph import GRAPH, STAGES

FROM_SEED = ["preprocess", "tokenize", "finetune", "evaluate"]
# `python -m stages.NAME`: puts back what the stage wrote before, and a mark, so that what follows sees a change.
PYTHON = """#!/bin/sh
case "$2" in
{cases}esac
"""


@pytest.fixture(scope="module")
def marked(reproduced: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a copy of the reproduced clone in which `python` computes nothing."""
    folder = tmp_path_factory.mktemp("marked")
    shutil.copy(reproduced.root.parent / "gitconfig", folder / "gitconfig")
    clone = Clone(Path(shutil.copytree(reproduced.root, folder / "clone", symlinks=True)))
    cases = ""
    for stage in STAGES:
        entry = GRAPH[stage]
        written = [
            o if isinstance(o, str) else next(iter(o)) for k in ("outs", "metrics", "plots") for o in entry.get(k, [])
        ]
        lines = [f'mkdir -p "$(dirname {out})" && cp -RL "{reproduced.root}/{out}" {out}' for out in written]
        marks = [f"chmod -R u+w {out} && date +%s%N > {out}/mark" for out in entry["outs"]]
        marks += ["cat data/tokens/mark >> data/tokens/train.arrow"] if stage == "tokenize" else []
        cases += f"stages.{stage}) {' && '.join([*lines, *marks])};;\n"
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text(PYTHON.format(cases=cases), encoding="utf-8")
    (folder / "bin/python").chmod(0o755)
    clone.environment["PATH"] = f"{folder / 'bin'}:{clone.environment['PATH']}"
    return clone


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            "-S train.tuning.name=bitfit -S train.objective.name=smoothed -S +train.objective.smoothing=0.1"
            " -S '+model.overrides.hidden_act=relu'",
            ["finetune", "evaluate"],
        ),
        ("-S seed=7", FROM_SEED),
    ],
    ids=["method, objective and the model's own field", "seed"],
)
def test_a_change_runs_what_it_reaches(marked: Clone, change: str, wanted: list[str]) -> None:
    assert stages_run(marked.run(f"dvc exp run {change}")) == wanted
