"""One repository, and its facts, for all tests of releases."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stages.releasing import facts
from stages.releasing.facts import Facts
from tests.releasing import project


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the repository; not to be changed."""
    return project.make(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(made, tmp_path / "project", symlinks=True))


@pytest.fixture(scope="session")
def known(made: Path) -> Facts:
    """Return what the records tell of it."""
    return facts.read(made)
