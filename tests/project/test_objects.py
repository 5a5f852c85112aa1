"""What Git's objects hold: found from the commit down, held against their ids."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.project import objects
from tests.project.repository import Repository


@pytest.fixture
def sha(repository: Repository) -> str:
    """Return a commit with a link beside its files."""
    repository.put("stages/core/deep/c", "3\n")
    (repository.root / "stages/core/link").symlink_to("b")
    (repository.root / "stages/core/deep/c").chmod(0o755)
    return repository.commit()


def test_a_file(repository: Repository, sha: str) -> None:
    assert objects.file(repository.root, sha, "stages/core/deep/c") == b"3\n"


@pytest.mark.parametrize("path", ["b", "stages", "stages/core/link", "a/b", "stages/../a", "/a", "a/", "", "A"])
def test_what_is_no_file_of_the_commit(path: str, repository: Repository, sha: str) -> None:
    assert objects.file(repository.root, sha, path) is None


def test_files_at_or_below_a_path(repository: Repository, sha: str) -> None:
    below = {"stages/core/b": b"2\n", "stages/core/deep/c": b"3\n"}
    assert dict(objects.files(repository.root, sha, "stages/core")) == below
    assert dict(objects.files(repository.root, sha, "a")) == {"a": b"1\n"}
    assert dict(objects.files(repository.root, sha, "nowhere")) == {}


def test_the_working_tree_is_not_looked_at(repository: Repository, sha: str) -> None:
    (repository.root / "a").unlink()
    repository.put(".gitattributes", "* text eol=crlf\n")
    assert objects.file(repository.root, sha, "a") == b"1\n"


def loose(root: Path, name: str) -> Path:
    return root / ".git/objects" / name[:2] / name[2:]


@pytest.mark.parametrize("path", ["a", "", "stages"])
def test_an_object_that_was_bent_is_refused(path: str, repository: Repository, sha: str) -> None:
    bent = repository.git("rev-parse", f"{sha}:{path}").strip()
    file = loose(repository.root, bent)
    content = zlib.decompress(file.read_bytes())
    file.chmod(0o644)
    file.write_bytes(zlib.compress(content[:-1] + bytes([content[-1] ^ 1])))
    with pytest.raises(InputError, match=f"^git: object {bent} is damaged: what it holds has the id [0-9a-f]{{40}}$"):
        objects.file(repository.root, sha, "a" if path != "stages" else "stages/core/b")


def test_an_object_that_is_gone_is_refused(repository: Repository, sha: str) -> None:
    gone = repository.git("rev-parse", f"{sha}:a").strip()
    loose(repository.root, gone).unlink()
    with pytest.raises(InputError, match=f"^git: object {gone} is missing: the repository is damaged$"):
        objects.file(repository.root, sha, "a")
