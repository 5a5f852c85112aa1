"""A small project under Git whose pipeline is a stand-in, see toy.py, and its claims."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from stages.verification import derivation
from tests.claims import toy
from tests.project.repository import Repository

CLAIM = """  - id: {id}
    recipe: {recipe}
    metric: accuracy
    split: test
    published: {published}
    spread: null
    gap: null
    margin: 0.02
    reason: a toy
    seeds: 5
    model: a toy
    source: {{title: A paper, place: a table, quoted: "0.95"}}
"""


class Project(Repository):
    """With what this folder's tests do to it."""

    @property
    def log(self) -> list[str]:
        """Return the seeds of all runs that were made, in order."""
        file = self.root.parent / "log"
        return file.read_text().splitlines() if file.is_file() else []

    def commit(self) -> None:
        """Commit all, if only to have another commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", "change", "--allow-empty")

    def claim(self, published: float = 0.955, recipe: str = "toy", name: str = "one") -> None:
        """Make this the only claim."""
        self.put("claims.yaml", "claims:\n" + CLAIM.format(id=name, published=published, recipe=recipe))


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project and beside it the stand-in, for all tests to copy."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "bin").mkdir()
    python = folder / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{toy.__file__}" "$@"\n')
    python.chmod(0o755)
    made = Project(folder / "project")
    for name, text in toy.FILES.items():
        made.put(name, text)
    made.claim()
    made.git("init", "-q", "-b", "main")
    made.commit()
    return made


@pytest.fixture
def project(pristine: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with one claim, of 0.955 within 0.02, about the recipe `toy`; the working folder is there."""
    shutil.copytree(pristine.root.parent, tmp_path / "own", symlinks=True)
    monkeypatch.setattr(derivation, "interpreter", lambda _: tmp_path / "own/bin/python")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("TOY_LOG", str(tmp_path / "own/log"))
    made = Project(tmp_path / "own/project")
    monkeypatch.chdir(made.root)
    return made
