"""The commands where Git refuses, is not there, has no commit yet or was cut: one message, before time is spent."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.repository import Repository, given_away
from tests.project.test_git import UNSAFE

ROOT = Path(__file__).parents[2]
FILES = ("params.yaml", "dvc.yaml", "dvc.lock", "claims.yaml", "requirements.lock", ".gitignore", ".dvc/config")
FOLDERS = ("metrics", "recipes")
SEARCH = ("-S", "train.lr=1e-5,1e-4", "--trials", "1")
COMMANDS = {  # all that ask Git; `objects` and `track` do not, `verify check` does where there is a repository
    "verify": ("verify",),
    "verify claims": ("verify", "claims"),
    "variance": ("variance", "--runs", "2"),
    "report": ("report",),
    "results": ("results",),
    "search": ("search", *SEARCH),
}
START = "git add -A && git commit -m start"
CUT = "a shallow clone without the older commits (git fetch --unshallow brings them)"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return what a ZIP file of this project gives, but for its code."""
    made = Repository(tmp_path / "project")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, made.root / name)
    for name in FILES:
        made.put(name, (ROOT / name).read_text(encoding="utf-8"))
    monkeypatch.chdir(made.root)
    return made


def run(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", list(words))
    try:
        importlib.import_module(f"stages.{words[0]}").main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_repository_of_another_user(
    words: tuple[str, ...], project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.git("init", "-q", "-b", "main")
    project.commit()
    given_away(project.root, monkeypatch)
    assert run(words, monkeypatch) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{words[0]}: error: git ")
    assert told.err.partition(": fatal: ")[2] == UNSAFE.format(project.root).removeprefix("fatal: ") + "\n"


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_zip_without_git(
    words: tuple[str, ...], project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words, monkeypatch) == 2
    wanted = f"{words[0]}: error: {project.root}: in no Git repository (a ZIP file brings none): git init && {START}\n"
    assert capsys.readouterr().err == wanted


def test_objects_in_a_zip_without_git(
    project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(("objects",), monkeypatch) == 2
    wanted = "objects: error: DVC: wants a Git repository (a ZIP file brings none), git init makes one: "
    assert capsys.readouterr().err.startswith(wanted)


@pytest.mark.parametrize("words", [w for name, w in COMMANDS.items() if name != "results"])
def test_before_the_first_commit(
    words: tuple[str, ...], project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.git("init", "-q", "-b", "main")
    assert run(words, monkeypatch) == 2
    what = {"search": "dvc exp run", "report": "--against"}.get(words[0], "--rev")
    wanted = f"{words[0]}: error: {what}: this repository has no commit yet: {START}"
    assert capsys.readouterr().err.splitlines()[-1] == wanted


def test_results_before_the_first_commit_are_those_of_the_working_tree(
    project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.git("init", "-q", "-b", "main")
    assert run(("results", "--columns", "name"), monkeypatch) == 0
    assert capsys.readouterr().out == "name\nworkspace\n"


@pytest.mark.parametrize(
    "words", [("report", "--against"), ("verify", "--rev"), ("verify", "claims", "--rev"), ("variance", "--rev")]
)
def test_a_shallow_clone(
    words: tuple[str, ...], project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shallow(project, monkeypatch)
    assert run((*words, "HEAD~1"), monkeypatch) == 2
    wanted = f"{words[0]}: error: {words[-1]}: 'HEAD~1' names no commit of this repository: it is {CUT}"
    assert capsys.readouterr().err.splitlines()[-1] == wanted


def test_results_of_a_shallow_clone(
    project: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shallow(project, monkeypatch)
    assert run(("results",), monkeypatch) == 0
    assert f"results: this is {CUT}: runs recorded there are left out\n" in capsys.readouterr().err


def shallow(project: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the working folder be a clone of the second of two commits."""
    project.git("init", "-q", "-b", "main")
    project.commit()
    project.put("more", "1")
    project.commit()
    cut = project.root.parent / "cut"
    subprocess.run(["git", "clone", "-q", "--depth", "1", project.root.as_uri(), cut], check=True)
    monkeypatch.chdir(cut)
