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

from stages.core import yaml12
from tests.pipeline.conftest import Clone
from tests.pipeline.test_graph import GRAPH, STAGES

DEPS = sorted({dep for stage in STAGES for dep in GRAPH[stage]["deps"]})
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
    """Give a file another content for a while; its times go with it."""
    before, times = path.read_bytes(), path.stat()
    path.chmod(0o644)
    path.write_bytes(text)
    yield
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def listed(kind: str, name: str) -> set[str]:
    return {stage for stage in STAGES if name in GRAPH[stage][kind]}


def other(value: Any) -> Any:
    """Return a value that is not `value`, of whatever type."""
    return {**value, "other": 1} if isinstance(value, dict) else "other"


def test_nothing_is_outdated(project: Project) -> None:
    assert project.outdated() == set()


@pytest.mark.parametrize("dep", DEPS)
def test_a_dependency(project: Project, dep: str) -> None:
    path = Path(project.root, dep)
    file = path if path.is_file() else max(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    with altered(file, file.read_bytes() + b"\n"):
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
