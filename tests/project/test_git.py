"""What is asked of Git, in a repository whose files have any names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.project import git
from tests.project.repository import Repository

LATIN = b"caf\xe9"  # in no UTF-8


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.git("init", "-q", "-b", "main")
    made.put("a", "1")
    made.commit()
    return made


def test_an_edited_file_may_have_a_name_that_is_not_utf_8(repository: Repository) -> None:
    name = os.fsdecode(LATIN)
    (repository.root / name).touch()
    assert git.edited(repository.root) == [name]


def test_a_changed_file_may_have_a_name_that_is_not_utf_8(repository: Repository) -> None:
    old = git.commit(repository.root, "HEAD")
    (repository.root / os.fsdecode(LATIN)).touch()
    repository.put("a", "2")
    repository.commit()
    assert git.changed(repository.root, old, git.commit(repository.root, "HEAD"), ".") == ["a", r"caf\xe9"]


def test_nothing_changed(repository: Repository) -> None:
    sha = git.commit(repository.root, "HEAD")
    assert git.changed(repository.root, sha, sha, ".") == []
