"""What an earlier run wrote, fetched by its commit and checked against that commit's dvc.lock."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.params import Section, choice, decode
from stages.sources import SOURCES
from stages.sources.run import Run
from tests.shell import run

DVC_YAML = """\
stages:
  finetune:
    cmd: mkdir -p models/finetuned/deep && date +%N > models/finetuned/a.bin && echo b > models/finetuned/deep/b.txt
    outs: [models/finetuned]
  evaluate:
    cmd: echo '{}' > scores.json
    deps: [models/finetuned]
    outs: [scores.json]
"""


@dataclass(frozen=True)
class Repository:
    root: Path
    commit: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository of which the commit's run lies in the cache alone: a later run wrote other bytes."""
    root = tmp_path_factory.mktemp("made")
    (root / "dvc.yaml").write_text(DVC_YAML)
    run(root, "git init -q && dvc init -q && dvc config core.analytics false && dvc repro && git add .")
    run(root, "git commit -qm one")
    commit = run(root, "git rev-parse HEAD").strip()
    run(root, "dvc repro --force && git add . && git commit -qm two")
    return Repository(root, commit)


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_folder_comes_as_it_was_written(made: Repository, tmp_path: Path) -> None:
    Run(made.commit, repository=str(made.root)).fetch(tmp_path)
    found = files(tmp_path)
    assert sorted(found) == ["a.bin", "deep/b.txt"]
    assert found["a.bin"] != (made.root / "models/finetuned/a.bin").read_text()  # that of the later run


def test_the_repository_of_the_working_folder_is_the_default(
    made: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.root)
    Run(made.commit).fetch(tmp_path)
    assert "a.bin" in files(tmp_path)


def test_a_file_comes_under_its_name(made: Repository, tmp_path: Path) -> None:
    Run(made.commit, "scores.json", str(made.root)).fetch(tmp_path)
    assert files(tmp_path) == {"scores.json": "{}\n"}


def test_a_remote_gives_what_the_cache_has_not(made: Repository, tmp_path: Path) -> None:
    other = Path(shutil.copytree(made.root, tmp_path / "other", symlinks=True))
    run(other, f"dvc remote add -d store '{tmp_path / 'remote'}' && dvc push && git commit -qam again")
    commit = run(other, "git rev-parse HEAD").strip()
    shutil.rmtree(other / ".dvc/cache")
    (tmp_path / "into").mkdir()
    Run(commit, repository=str(other)).fetch(tmp_path / "into")
    assert "a.bin" in files(tmp_path / "into")


@pytest.mark.parametrize(
    ("commit", "path", "message"),
    [
        ("0" * 40, "models/finetuned", "models/finetuned of commit 000000000000 of .*: cannot be read: "),
        (None, "models/base", "models/base of commit .*: its dvc.lock names no such output; wanted one of models/fine"),
    ],
)
def test_what_is_not_there_is_told(
    made: Repository, tmp_path: Path, commit: str | None, path: str, message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        Run(commit or made.commit, path, str(made.root)).fetch(tmp_path)


def test_what_neither_cache_nor_remote_holds_is_told(made: Repository, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(made.root, tmp_path / "bare", symlinks=True))
    shutil.rmtree(bare / ".dvc/cache")
    (tmp_path / "into").mkdir()
    with pytest.raises(InputError, match=r"neither the cache nor a remote of its repository holds it"):
        Run(made.commit, repository=str(bare)).fetch(tmp_path / "into")


def test_bytes_that_are_not_those_of_the_lock_are_refused(made: Repository, tmp_path: Path) -> None:
    forged = Path(shutil.copytree(made.root, tmp_path / "forged", symlinks=True))
    for kept in (forged / ".dvc/cache/files/md5").rglob("*"):
        if kept.is_file() and kept.read_text() == "b\n":
            kept.chmod(0o644)
            kept.write_text("c\n")
    (tmp_path / "into").mkdir()
    with pytest.raises(InputError, match=r"its dvc.lock states the MD5 [0-9a-f]{32}.dir, the bytes that came have "):
        Run(made.commit, repository=str(forged)).fetch(tmp_path / "into")


@pytest.mark.parametrize("commit", ["main", "0" * 39, "g" * 40])
def test_a_commit_has_40_digits(commit: str) -> None:
    class Params(Section):
        source: choice(SOURCES, tag="kind")  # type: ignore[valid-type]

    with pytest.raises(InputError, match=r"source.commit: found .*, wanted the 40 hex digits of a commit"):
        from pydantic import create_model

        model = create_model("Data", __base__=Section, data=(Params, ...))
        decode(model, {"data": {"source": {"kind": "run", "commit": commit}}}, {}, "params.yaml")
