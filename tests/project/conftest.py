"""A repository of one commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "project")
    made.put("a", "1\n")
    made.put("stages/core/b", "2\n")
    made.git("init", "-q", "-b", "main")
    made.commit()
    return made
