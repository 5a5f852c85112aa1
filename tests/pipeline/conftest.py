"""A clone of the project in which the real `dvc` has run the whole pipeline of the recipe `smoke`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stages.repro.digests import of_folder
from tests.pipeline import readme
from tests.pipeline.closure import ROOT

STAMPS = ("installed", "installed-dev")
OUTPUTS = ("data/raw", "data/clean", "data/tokens", "data/predictions", "models/base", "models/finetuned", "metrics")


class Clone:
    """A working copy and how to run commands in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            **os.environ,
            "PATH": f"{root / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
            "REPRISE_CACHE": str(root.parent / "archives"),
            "REPRISE_WORKERS": "1",  # the bits are the same, and each worker more would import torch once more
            "GIT_CONFIG_GLOBAL": str(root.parent / "gitconfig"),
        }

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a shell command in a session of its own."""
        return subprocess.Popen(
            command, shell=True, cwd=self.root, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str, code: int = 0) -> str:
        """Run a shell command; return what it said. Fails unless it ends with `code`."""
        process = self.start(command)
        said = process.communicate(timeout=300)[0]
        assert process.returncode == code, f"{command}: code {process.returncode}\n{said}"
        return said

    def commit(self, message: str) -> None:
        """Commit all that is there."""
        self.run(f"git add -A && git commit -qm '{message}'")

    def text(self, name: str) -> str:
        """Return a file's text."""
        return (self.root / name).read_text(encoding="utf-8")

    def append(self, name: str, text: str) -> None:
        """Add text to a file's end."""
        with (self.root / name).open("a", encoding="utf-8") as file:
            file.write(text)


def stages_run(said: str) -> list[str]:
    """Return the stages that `dvc repro` or `dvc exp run` says it ran."""
    return re.findall(r"^Running stage '(\w+)':", said, re.MULTILINE)


def outputs(clone: Clone) -> dict[str, str]:
    """Return the digest of every file that the pipeline has written."""
    found = {f"{folder}/{name}": d for folder in OUTPUTS for name, d in of_folder(clone.root / folder).items()}
    del found["metrics/environment.json"]
    return found


def _venv(folder: Path) -> None:
    """Make the venv the tests run in stand in for the clone's: `make` finds it installed."""
    folder.mkdir()
    for name in ("bin", "lib"):
        (folder / name).symlink_to(Path(sys.prefix) / name)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder / "pyvenv.cfg")
    for stamp in STAMPS:
        (folder / stamp).touch()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a fresh clone with the recipe `smoke`, committed, nothing run."""
    clone = Clone(tmp_path_factory.mktemp("pristine") / "clone")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("metrics/"):
            (clone.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone.root / name)
    clone.run(
        "git init -q -b main . && git config --global user.name Test && git config --global user.email t@example.org"
    )
    _venv(clone.root / ".venv")
    clone.run("python -m stages.recipe smoke")
    clone.commit("smoke")
    return clone


@pytest.fixture(scope="session")
def reproduced(pristine: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a clone in which README's first command has run, and its results are committed."""
    clone = _copied(pristine, tmp_path_factory.mktemp("reproduced"))
    assert stages_run(clone.run("make repro")) == ["download", "preprocess", "tokenize", "finetune", "evaluate"]
    clone.commit("results")
    return clone


@pytest.fixture
def clone(reproduced: Clone, tmp_path: Path) -> Clone:
    """Return a copy of the reproduced clone, for one test to change."""
    return _copied(reproduced, tmp_path)


@pytest.fixture
def second(reproduced: Clone, tmp_path: Path) -> Clone:
    """Return what `git clone` makes of the reproduced clone: code, params and dvc.lock, no data, no model, no cache."""
    shutil.copy(reproduced.root.parent / "gitconfig", tmp_path / "gitconfig")
    subprocess.run(["git", "clone", "-q", reproduced.root, tmp_path / "clone"], check=True)
    _venv(tmp_path / "clone/.venv")
    return Clone(tmp_path / "clone")


@dataclass
class Block:
    """A block of README.md or docs/ that has run in a clone of its own."""

    clone: Clone
    said: dict[str, str] = field(default_factory=dict)  # by each of its commands


@pytest.fixture(scope="session")
def block(reproduced: Clone, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Block]:
    """Return a function that runs the block in which a command stands, line after line, once a session.

    So each command is run once, however many tests look at what it said and did.
    """
    ran: dict[int, Block] = {}

    def run(command: str) -> Block:
        number = next((i for i, lines in enumerate(readme.BLOCKS) if command in lines), None)
        assert number is not None, f"no page shows `{command}`"
        if number not in ran:
            new = Block(_copied(reproduced, tmp_path_factory.mktemp("block")))
            for line in readme.BLOCKS[number]:
                new.said[line] = new.clone.run(readme.safe(line))
                if line == "python -m stages.recipe tsv":
                    _use_the_smoke_model(new.clone)  # the recipe's own has to be downloaded
            ran[number] = new
        return ran[number]

    return run


def _use_the_smoke_model(clone: Clone) -> None:
    from ruamel.yaml import YAML

    yaml, path = YAML(), clone.root / "params.yaml"
    params = yaml.load(path)
    smoke = yaml.load(clone.root / "recipes/smoke.yaml")
    params["model"]["source"], params["model"]["init"] = smoke["model"]["source"], "random"
    params["tokenize"]["max_length"] = smoke["tokenize"]["max_length"]
    yaml.dump(params, path)


def _copied(clone: Clone, folder: Path) -> Clone:
    """Return a copy in another folder; Git forgets nothing, for times are kept."""
    for name in ("archives", "gitconfig"):
        source = clone.root.parent / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        elif source.is_file():
            shutil.copy(source, folder / name)
    return Clone(Path(shutil.copytree(clone.root, folder / "clone", symlinks=True)))
