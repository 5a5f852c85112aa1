"""What `make` says before it installs anything, with the programs it would run played."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the Makefile, the lock and a .venv that is set up."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("bin/pip", "installed"):
        (tmp_path / ".venv" / name).write_text("")
    program(tmp_path, "python", "echo 3.99")
    program(tmp_path, "dvc", 'echo "dvc $*"')
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def program(folder: Path, name: str, line: str) -> None:
    path = folder / ".venv" / "bin" / name
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def make(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Return the code, standard output and standard error, without make's own lines."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", *arguments], cwd=folder, env={**env, "GIT_CEILING_DIRECTORIES": str(folder.parent), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    return done.returncode, done.stdout, "\n".join(said)


def commit(folder: Path) -> None:
    named = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *named, "commit", "--quiet", "--allow-empty", "-m", "start"], cwd=folder, check=True)


def test_every_target_is_told(folder: Path) -> None:
    listed = make(folder, "help")[1]
    assert {"repro", "test", "fuzz", "experiments"} < {line.split()[1] for line in listed.splitlines()}


def test_without_git_nothing_is_installed(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    shutil.rmtree(folder / ".venv")
    assert make(folder, "repro") == (
        2,
        "",
        "fatal: not a git repository (or any of the parent directories): .git\n"
        "DVC works in a Git repository, which a ZIP of one is not. Make one here:\n"
        "  git init && git add --all && git commit --message start",
    )
    assert not (folder / ".venv").exists()


def test_a_refusal_of_git_is_no_zip(folder: Path) -> None:
    """GIT_TEST_ASSUME_DIFFERENT_OWNER is how Git tests what it says of another user's folder."""
    code, said, told = make(folder, "repro", GIT_TEST_ASSUME_DIFFERENT_OWNER="1", GIT_CONFIG_GLOBAL=os.devnull)
    assert (code, said) == (2, "")
    assert told.startswith("fatal: detected dubious ownership")
    assert "ZIP" not in told


def test_a_venv_of_another_python_is_told(folder: Path) -> None:
    other = folder / "other"
    other.write_text("#!/bin/sh\necho 3.98\n")
    other.chmod(0o755)
    message = (
        f".venv has Python 3.99, and PYTHON={other} is Python 3.98.\n"
        "To change: rm -r .venv, then make again. To go on with 3.99, leave PYTHON out."
    )
    assert make(folder, "repro", f"PYTHON={other}") == (2, "", message)
    assert make(folder, "repro", PYTHON=str(other)) == (2, "", message)
    assert make(folder, "repro", f"PYTHON={folder}/.venv/bin/python")[0] == 0
    assert make(folder, "repro")[0] == 0


def test_experiments_without_a_commit(folder: Path) -> None:
    assert make(folder, "experiments") == (
        2, "", "nothing is committed yet, and experiments stand on a commit: git add --all && git commit"
    )  # fmt: skip


def test_no_experiments_is_told(folder: Path) -> None:
    commit(folder)
    program(folder, "dvc", "")
    assert make(folder, "experiments") == (
        0, "no experiment stands on this commit yet; one is made by: .venv/bin/dvc exp run -S train.lr=3e-5\n", ""
    )  # fmt: skip
    program(folder, "dvc", 'echo "$2"')
    assert make(folder, "experiments") == (0, "show\n", "")
