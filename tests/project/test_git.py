"""What is asked of Git: an answer is an answer, a refusal is passed on, and nothing runs that the repository names."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.project import git, objects
from tests.project.repository import Repository, given_away

STAGES = Path(git.__file__).parents[1]
LATIN = b"caf\xe9"  # in no UTF-8
UNSAFE = "fatal: detected dubious ownership in repository at '{0}'. To add an exception for this directory, call: "
UNSAFE += "git config --global --add safe.directory {0}"
QUESTIONS: dict[str, Callable[[Path], Any]] = {
    "inside": git.inside,
    "resolved": lambda root: git.resolved(root, "HEAD"),
    "commit": lambda root: git.commit(root, "HEAD"),
    "is_commit": lambda root: git.is_commit(root, "0" * 40),
    "shallow": git.shallow,
    "prefix": git.prefix,
    "refs": git.refs,
    "commits": lambda root: git.commits(root, ["HEAD"]),
    "edited": git.edited,
    "untracked": lambda root: git.untracked(root, "."),
    "changed": lambda root: git.changed(root, "HEAD", "HEAD", "."),
    "last_change": lambda root: git.last_change(root, "HEAD", "a"),
    "file": lambda root: objects.file(root, "0" * 40, "a"),
    "files": lambda root: list(objects.files(root, "0" * 40, "a")),
    "ids": lambda root: objects.ids(root, "blob", ["HEAD:a"]),
    "clone": lambda root: git.clone(root, "HEAD", root.parent / "clone", []),
}


def test_git_is_asked_in_one_place() -> None:
    asking = re.compile(r"""["']git["'],|\b(scmrepo|dulwich|pygit2)\b""")
    files = {path.relative_to(STAGES).as_posix(): path.read_text(encoding="utf-8") for path in STAGES.rglob("*.py")}
    assert [name for name, text in files.items() if asking.search(text)] == ["project/git.py"]


@pytest.fixture
def below(tmp_path: Path) -> Repository:
    """Return a project in a sub-folder of a repository."""
    made = Repository(tmp_path / "whole/sömé where")
    made.put("a", "1\n")
    made.put("../other/a", "other\n")
    made.git("-C", "..", "init", "-q", "-b", "main")
    made.git("-C", "..", "add", "-A")
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
    assert git.changed(repository.root, old, repository.commit(), ".") == ["a", r"caf\xe9"]


def test_nothing_changed(repository: Repository) -> None:
    sha = git.commit(repository.root, "HEAD")
    assert git.changed(repository.root, sha, sha, ".") == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_refusal_is_no_answer(question: str, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    given_away(repository.root, monkeypatch)
    with pytest.raises(InputError) as error:
        QUESTIONS[question](repository.root)
    assert re.sub("^git [a-z-]+: ", "", str(error.value)) == UNSAFE.format(repository.root)


def test_what_the_user_allows_is_allowed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    given_away(repository.root, monkeypatch)
    clone = repository.root.parent / "clone"
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    for number, folder in enumerate((repository.root, clone)):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", "safe.directory")
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", str(folder))
    assert git.edited(repository.root) == []
    assert (git.clone(repository.root, "HEAD", clone, []) / "a").is_file()


@pytest.mark.parametrize("question", sorted(QUESTIONS.keys() - {"inside"}))
def test_where_there_is_no_repository_the_way_out_is_told(question: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        QUESTIONS[question](tmp_path)
    start = "git init && git add -A && git commit -m start"
    assert str(error.value) == f"{tmp_path}: in no Git repository (a ZIP file brings none): {start}"
    assert not git.inside(tmp_path)


def test_without_git_itself_nothing_is_answered(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="^git: not found: it holds the commits that are read and cloned$"):
        git.inside(repository.root)


def test_before_the_first_commit(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert git.resolved(tmp_path, "HEAD") is None
    with pytest.raises(InputError, match="^--rev: this repository has no commit yet: git add -A && git commit -m sta"):
        git.commit(tmp_path, "HEAD")


@pytest.mark.parametrize("name", ["mian", "HEAD~9", "HEAD:a", ":a", "", "--all", "a b", "0" * 40])
def test_what_names_no_commit(name: str, repository: Repository) -> None:
    assert git.resolved(repository.root, name) is None
    with pytest.raises(InputError) as error:
        git.commit(repository.root, name, "--against")
    hint = "(nearest: 'main')" if name == "mian" else "(known: 'main')"
    assert str(error.value) == f"--against: {name!r} names no commit of this repository {hint}"


def test_what_names_a_commit(repository: Repository) -> None:
    sha = repository.git("rev-parse", "HEAD").strip()
    repository.git("tag", "-am", "first", "v1.0")
    for name in ("HEAD", "main", "v1.0", sha, sha[:8], "HEAD^0", "main@{0}"):
        assert git.commit(repository.root, name) == sha
    assert git.refs(repository.root) == {"refs/heads/main": sha, "refs/tags/v1.0": sha}


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_a_whole_id_is_no_name(kind: str, tmp_path: Path) -> None:
    made = Repository(tmp_path)
    made.git("init", "-q", "-b", "main", f"--object-format={kind}")
    made.put("a", "1")
    sha = made.commit()
    made.git("tag", "-am", "first", "v1.0")
    branches = [(sha * 2)[:length] for length in (39, 41, 50, 63, 65)] + ["f" * (104 - len(sha))]
    for branch in branches:
        made.git("branch", branch)
    others = [made.git("rev-parse", name).strip() for name in ("v1.0", "HEAD:a", "HEAD^{tree}")]
    assert git.is_commit(tmp_path, sha)
    for name in (*branches, *others, sha.upper(), sha[:12], "HEAD", "main", f"{sha}\n", "", "f" * len(sha)):
        assert not git.is_commit(tmp_path, name), name


def test_a_shallow_clone_says_so(repository: Repository, tmp_path: Path) -> None:
    repository.put("b", "1")
    old = repository.commit()
    repository.put("a", "2")
    sha = repository.commit()
    assert not git.shallow(repository.root)
    assert git.last_change(repository.root, sha, "b") == old
    subprocess.run(["git", "clone", "-q", "--depth", "1", repository.root.as_uri(), tmp_path / "cut"], check=True)
    assert git.shallow(tmp_path / "cut")
    assert git.last_change(tmp_path / "cut", sha, "b") == ""
    with pytest.raises(InputError) as error:
        git.commit(tmp_path / "cut", "HEAD~1")
    assert str(error.value) == (
        "--rev: 'HEAD~1' names no commit of this repository: it is a shallow clone without the older commits "
        "(git fetch --unshallow brings them)"
    )
    assert (git.clone(tmp_path / "cut", sha, tmp_path / "clone", []) / "a").read_text() == "2"


def test_a_partial_clone_fetches_nothing(repository: Repository, tmp_path: Path) -> None:
    for key in ("allowFilter", "allowAnySHA1InWant"):
        repository.git("config", f"uploadpack.{key}", "true")
    part = Repository(tmp_path / "part")
    source = ("clone", "-q", "--no-checkout", "--filter=blob:none", repository.root.as_uri(), str(part.root))
    repository.git(*source)
    part.git("config", "remote.origin.uploadpack", f"touch '{tmp_path}/ran'; git-upload-pack")
    sha = git.commit(part.root, "HEAD")
    for question in (lambda: objects.file(part.root, sha, "a"), lambda: git.clone(part.root, sha, tmp_path / "c", [])):
        with pytest.raises(InputError) as error:
            question()
        assert str(error.value).endswith(" (git fetch --refetch --no-filter brings what a partial clone lacks)")
    assert not (tmp_path / "ran").exists()


def test_a_commit_that_no_branch_holds_is_cloned(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "-q", "--detach")
    repository.put("a", "2")
    sha = repository.commit()
    repository.git("checkout", "-q", "main")
    assert (git.clone(repository.root, sha, tmp_path / "clone", []) / "a").read_text() == "2"


def test_a_project_in_a_sub_folder(below: Repository, tmp_path: Path) -> None:
    old = below.git("rev-parse", "HEAD").strip()
    below.put("a", "2\n")
    below.put("new/b", "3\n")
    below.put("../other/a", "edited\n")
    assert git.prefix(below.root) == "sömé where/"
    assert git.edited(below.root) == ["a", "new/b"]
    assert git.untracked(below.root, "new", "a") == ["new/b"]
    clone = git.clone(below.root, old, tmp_path / "clone", ["new/b"])
    assert clone == tmp_path / "clone/sömé where"
    assert {p.relative_to(clone).as_posix() for p in clone.rglob("*") if p.is_file()} == {"a", "new/b"}
    assert (clone.parent / "other/a").read_text() == "other\n"
    below.git("-C", "..", "add", "-A")
    sha = below.commit()
    assert git.changed(below.root, old, sha, ".") == ["a", "new/b"]
    assert git.last_change(below.root, sha, "a") == sha
    assert (objects.file(below.root, old, "a"), objects.file(below.root, old, "other/a")) == (b"1\n", None)
    assert dict(objects.files(below.root, sha, "new")) == {"new/b": b"3\n"}


@pytest.mark.parametrize(
    "names",
    [("GIT_DIR",), ("GIT_DIR", "GIT_WORK_TREE"), ("GIT_INDEX_FILE",), ("GIT_OBJECT_DIRECTORY",), ("GIT_NAMESPACE",)],
)
def test_the_variables_of_a_hook_lead_nowhere(
    names: tuple[str, ...], repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other")
    other.put("a", "other")
    other.git("init", "-q", "-b", "main")
    other.commit()
    sha = repository.git("rev-parse", "HEAD").strip()
    places = {"GIT_DIR": ".git", "GIT_WORK_TREE": "", "GIT_INDEX_FILE": ".git/index"}
    for name in names:
        monkeypatch.setenv(name, str(other.root / places.get(name, ".git/objects")))
    assert not set(names) & git.environment().keys()
    assert (git.commit(repository.root, "HEAD"), git.edited(repository.root)) == (sha, [])
    assert objects.file(repository.root, sha, "a") == b"1\n"
    assert (git.clone(repository.root, sha, tmp_path / "clone", []) / "a").read_text() == "1\n"


@pytest.mark.parametrize("question", QUESTIONS)
def test_nothing_runs_that_the_repository_names(question: str, repository: Repository) -> None:
    ran = repository.plant()
    for name in ("a", "stages/core/b"):
        repository.put(name, "3\n")  # has to be read, and may not pass through the filter
    sha = repository.git("rev-parse", "HEAD").strip()
    wanted = {"file": lambda root: objects.file(root, sha, "a"), "files": lambda root: [*objects.files(root, sha, "a")]}
    wanted.get(question, QUESTIONS[question])(repository.root)
    if question == "edited":
        assert git.edited(repository.root) == ["a", "stages/core/b"]
    assert [path.name for path in ran.iterdir()] == []


def test_what_was_planted_runs_where_nothing_is_off(repository: Repository) -> None:
    ran = repository.plant()
    for name in ("a", "stages/core/b"):
        repository.put(name, "3\n")
    repository.git("-c", "core.fsmonitor=", "commit", "-qam", "change")
    repository.git("log", "-p", "--ext-diff", "-1")
    assert {"filter.a=b.c.clean", "more", "post-commit", "reference-transaction"} <= {
        path.name for path in ran.iterdir()
    }


def test_a_replaced_commit_is_not_looked_at(repository: Repository) -> None:
    sha = repository.git("rev-parse", "HEAD").strip()
    repository.put("a", "forged\n")
    forged = repository.commit()
    repository.git("replace", sha, forged)
    assert repository.git("show", f"{sha}:a") == "forged\n"
    assert objects.file(repository.root, sha, "a") == b"1\n"


def test_a_graft_is_not_looked_at(repository: Repository) -> None:
    old = repository.git("rev-parse", "HEAD").strip()
    repository.put("a", "2")
    new = repository.commit()
    repository.put("../project/.git/info/grafts", f"{new}\n")
    assert git.commits(repository.root, [new]) == [old, new]
