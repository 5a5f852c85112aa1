"""Which commits are read, and under which names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.ledger.history import snapshots
from tests.ledger.history import History, Made


def found(root: Path) -> dict[str, tuple[str, ...]]:
    return {snapshot.commit: snapshot.names for snapshot in snapshots(root)}


def test_commits_come_parents_first_with_the_names_that_point_there(history: History) -> None:
    first = history.commit(Made())
    second = history.commit(Made(lr=1e-4), parent=first)
    tried = history.experiment("calm-sea", Made(lr=1e-3), first)
    history.git("tag", "v1", first)
    history.git("-c", "user.name=A", "-c", "user.email=a@example.org", "tag", "-a", "-m", "x", "v2", first)
    assert list(found(history.root).items()) == [(first, ("v1", "v2")), (second, ("main",)), (tried, ("calm-sea",))]


def test_what_is_only_queued_or_failed_is_no_run(history: History) -> None:
    first = history.commit(Made())
    for ref in ("refs/exps/celery/stash", "refs/exps/celery/failed", "refs/exps/exec/EXEC_HEAD", "refs/stash"):
        history.commit(Made(lr=1e-3), ref=ref, parent=first)
    assert list(found(history.root)) == [first]


def test_files_are_those_of_the_commit(history: History) -> None:
    history.commit(Made())
    (snapshot,) = snapshots(history.root)
    assert snapshot.files == Made().files()


def test_a_commit_without_a_lock_is_passed_over(history: History) -> None:
    history.commit({"README.md": b"x"}, Made(), {"README.md": b"y", "metrics": b"a file"})
    assert len(found(history.root)) == 1


def test_a_detached_head_that_no_ref_reaches_is_read(history: History) -> None:
    only = history.commit(Made())
    history.git("update-ref", "--no-deref", "HEAD", only)
    history.git("update-ref", "-d", "refs/heads/main")
    assert found(history.root) == {only: ()}


def test_the_working_tree_comes_last(history: History) -> None:
    first = history.commit(Made())
    history.root.joinpath("dvc.lock").write_bytes(b"x")
    assert list(found(history.root)) == [first, ""]


def test_a_repository_without_commits_has_no_snapshots(history: History) -> None:
    assert list(snapshots(history.root)) == []


def test_a_pipeline_may_lie_below_the_top_of_its_repository(history: History) -> None:
    only = history.commit({f"sub/{path}": content for path, content in Made().files().items()})
    history.root.joinpath("sub").mkdir()
    assert list(found(history.root / "sub")) == [only]


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="in no Git repository .*: git init && git add -A && git commit"):
        list(snapshots(tmp_path))


def test_git_is_asked_as_often_for_many_commits_as_for_one(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.commit(*(Made(lr=lr / 1000) for lr in range(1, 101)))
    run, calls = subprocess.run, []

    def counted(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        return run(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    assert len(found(history.root)) == 100
    assert len(calls) == 8
