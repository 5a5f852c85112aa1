"""Settings of all tests: what hypothesis draws, and who shares a process.

`make test` draws the same examples every time, whatever was found before and however busy the machine is, so that it
gives one verdict. `make fuzz` (REPRISE_FUZZ) draws others each time, and more.

`make test` runs two processes side by side. A file of tests stays in one of them, so that what its fixtures made is
made once; so do the folders whose files share a run of the pipeline, which begin first, for they take longest.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests import tiny
from tests.exactness.warm import Warm

settings.register_profile(
    "test", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("fuzz" if os.environ.get("REPRISE_FUZZ") else "test")

for _name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"):
    os.environ.pop(_name, None)  # within a hook of Git they lead to its repository

TOGETHER = ("tests/pipeline", "tests/exactness")  # in the order in which they begin


def _group(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest groups first."""
    first = (*TOGETHER, "tests/test_finetune.py")
    items.sort(key=lambda item: (*first, _group(item.nodeid)).index(_group(item.nodeid)))


class Groups(LoadScopeScheduling):
    """Hands out whole groups."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Return the scheduler that keeps a group in one process."""
    return Groups(config, log)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Return what runs finetune without the ten seconds that its imports take."""
    process = Warm(tmp_path_factory.mktemp("logs"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which finetune can run; not to be changed."""
    return tiny.clone(tmp_path_factory.mktemp("built") / "clone")


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return Path(shutil.copytree(built, tmp_path / "clone", symlinks=True))
