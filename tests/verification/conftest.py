"""A small project under Git whose pipeline is a stand-in, see pretend.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.verification import derivation, reference
from stages.verification.environments import Setting
from tests.project.repository import Repository
from tests.verification import pretend

ROOT = Path(__file__).parents[2]
GRAPH = {
    stage: {
        "cmd": f"python -m stages.{stage}", "params": pretend.PARAMS.get(stage, []), "outs": outs,
        "deps": [f"stages/{stage}.py", *(["files"] if stage == "download" else []), *pretend.READ.get(stage, [])],
    }
    for stage, outs in pretend.OUTS.items()
}  # fmt: skip
FILES = {
    "dvc.yaml": json.dumps({"stages": GRAPH}),
    "params.yaml": "seed: 4\ndata:\n  source: here\ntrain:\n  lr: 0.5\nevaluate: {}\n",
    "files/train.tsv": "a\tb\n",
    "files/tokenizer.json": "{}\n",
    ".gitignore": "/data\n/models\n.reprise\n",
    ".dvc/config": "",
    **{f"stages/{name}.py": "\n" for name in ("download", "preprocess", "tokenize", "finetune", "evaluate")},
}


class Project(Repository):
    """With what this folder's tests do to it."""

    def repro(self) -> None:
        """Run the pipeline here."""
        subprocess.run([str(self.root.parent / "bin/python"), "-m", "dvc", "repro", "-f"], cwd=self.root, check=True)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose results are committed, and beside it the stand-in, for all tests to copy."""
    folder = tmp_path_factory.mktemp("pristine")
    binary = folder / "bin/python"
    binary.parent.mkdir()
    path = f"{ROOT}${{PYTHONPATH:+:$PYTHONPATH}}"
    binary.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" "{pretend.__file__}" "$@"\n')
    binary.chmod(0o755)
    made = Project(folder / "project")
    for name, text in FILES.items():
        made.put(name, text)
    pq.write_table(
        pa.table({"id": [0, 1], "prediction": ["a", "b"], "p_a": [0.9, 0.1]}), made.root / "files/test.parquet"
    )
    made.git("init", "-q", "-b", "main")
    made.repro()
    made.commit()
    return made


@pytest.fixture
def project(pristine: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project whose results are committed; derivations of it use the stand-in."""
    shutil.copytree(pristine.root.parent, tmp_path / "own", symlinks=True)
    binary = tmp_path / "own/bin/python"
    real: Callable[[Setting], Path] = derivation.interpreter
    monkeypatch.setattr(derivation, "interpreter", lambda s: real(s) if s.interpreter else binary)
    monkeypatch.setattr(derivation, "POLL", 0.005)  # seconds: the stand-in's training takes a third of one
    monkeypatch.setattr(reference, "_cache", lambda repository: repository / "no/cache")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    made = Project(tmp_path / "own/project")
    monkeypatch.chdir(made.root)
    return made
