"""Each dependency and param that dvc.yaml lists, altered alone: the stages that list it are outdated, no others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from stages import recipe
from stages.core import yaml12
from stages.project import graph
from tests.pipeline.conftest import Clone
from tests.pipeline.test_graph import GRAPH, REGISTRIES, ROOT, STAGES

SMOKE = yaml12.values(
    recipe.merged("smoke", (ROOT / "params.yaml").read_text(encoding="utf-8"), folder=ROOT / "recipes"), "smoke"
)
LISTED = {stage: [graph.resolved(dep, SMOKE) for dep in GRAPH[stage]["deps"]] for stage in STAGES}
DEPS = sorted({dep for deps in LISTED.values() for dep in deps})
PARAMS = sorted({key for stage in STAGES for key in GRAPH[stage]["params"]})


class Project:
    """A copy of the reproduced clone, and what DVC says of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with Repo(str(root)) as repo:
            self.stages = {name: repo.stage.load_one(str(root / "dvc.yaml"), name) for name in STAGES}

    def outdated(self) -> set[str]:
        """Return the stages of which a dependency or param has changed."""
        return {name for name, stage in self.stages.items() if any(dep.status() for dep in stage.deps)}


@pytest.fixture(scope="module")
def project(reproduced: Clone, tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("outdated") / "clone"
    return Project(Path(shutil.copytree(reproduced.root, root, symlinks=True)))


@contextmanager
def altered(path: Path, text: bytes) -> Iterator[None]:
    """Give a file another content for a while; its times go with it. One that is not there is there for a while."""
    if not path.exists():
        path.write_bytes(text)
        yield
        path.unlink()
        return
    before, times = path.read_bytes(), path.stat()
    path.chmod(0o644)
    path.write_bytes(text)
    yield
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def listed(kind: str, name: str) -> set[str]:
    return {stage for stage in STAGES if name in (LISTED[stage] if kind == "deps" else GRAPH[stage][kind])}


def other(value: Any) -> Any:
    """Return a value that is not `value`, of whatever type."""
    return {**value, "other": 1} if isinstance(value, dict) else "other"


def test_nothing_is_outdated(project: Project) -> None:
    assert project.outdated() == set()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.mark.parametrize("dep", DEPS)
def test_a_dependency(project: Project, dep: str) -> None:
    path = Path(project.root, dep)
    file = path if path.is_file() else max(_files(path), default=path / "new")
    with altered(file, (file.read_bytes() if file.is_file() else b"") + b"\n"):
        found = project.outdated()
    above = {known for known in DEPS if file.is_relative_to(Path(project.root, known))}
    assert found == {stage for known in above for stage in listed("deps", known)}


@pytest.mark.parametrize("key", PARAMS)
def test_a_param(project: Project, key: str) -> None:
    path = Path(project.root, "params.yaml")
    tree = yaml12.read(path)[0]
    *sections, last = key.split(".")
    node = tree
    for name in sections:
        node = node[name]
    node[last] = other(node[last])
    with altered(path, json.dumps(tree).encode()):
        found = project.outdated()
    assert found == listed("params", key)


@pytest.mark.parametrize("registry", sorted(REGISTRIES))
def test_a_new_plugin_outdates_nothing(project: Project, registry: str) -> None:
    path = project.root / registry
    new = path.with_name("another.py")
    new.write_text('"""Another."""\n')
    room = path.parent.name
    try:
        with altered(
            path, path.read_bytes().replace(b"}", f'    "another": "stages.{room}.another:Another",\n}}'.encode())
        ):
            assert project.outdated() == set()
    finally:
        new.unlink()


def test_an_edited_score_scores_anew_and_trains_nothing(project: Project) -> None:
    path = project.root / "stages/targets/classes/report.py"
    with altered(path, path.read_bytes() + b"\n"):
        assert project.outdated() == {"evaluate"}
