"""A project with a run in it, not yet a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reporting.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.write()
    return made
