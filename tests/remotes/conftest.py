"""A small project with two stages of shell commands, its clones, and remotes of three kinds."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dvc.cli import main as dvc_main

from stages.repro.digests import of_folder
from tests.remotes.servers import PASSWORD, USER, Stall, ssh, webdav

ROOT = Path(__file__).parents[2]
FILES = {
    "files/train.txt": "wheat\tgrain\n",
    "files/big.txt": "0123456789abcdef" * 40_000,  # 640 kB: several blocks of every protocol
    "params.yaml": "times: 2\n",
    ".gitignore": "",
    ".dvcignore": "",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".dvc/config": "[core]\n    analytics = false\n    autostage = true\n",
    "dvc.yaml": """stages:
  prepare:
    cmd: mkdir -p data && cp -r files data/clean
    deps: [files]
    outs: [data/clean]
  train:
    cmd: mkdir -p models/final && cat params.yaml data/clean/* > models/final/model.bin && echo {} > metrics.json
    deps: [data/clean]
    params: [times]
    outs: [models/final]
    metrics: [{metrics.json: {cache: false}}]
""",
}
OUTPUTS = ("data/clean", "models/final")


@dataclass
class Remote:
    """Where a remote is, and the folder in which it keeps its files."""

    url: str
    folder: Path
    options: dict[str, str] = field(default_factory=dict)
    stall: Stall = field(default_factory=Stall)


class Clone:
    """A working copy and how to run commands in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        """Run Git."""
        command = ["git", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout

    def dvc(self, *arguments: str) -> int:
        """Run DVC in this process, which spares a second each time; return its exit code. Not with a server."""
        with self.here():
            return dvc_main([*arguments])

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Work in this folder; what DVC's libraries warn of is not ours to mend."""
        with contextlib.chdir(self.root), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a Python module as a process of its own: what talks to a server leaves its connections open."""
        return subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=self.root, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a Python module as a process; return what it said. Fails unless it ends with `code`."""
        process = self.start(*arguments)
        said = process.communicate(timeout=300)[0]
        assert process.returncode == code, f"{arguments}: code {process.returncode}\n{said}"
        return said

    def use(self, remote: Remote) -> None:
        """Add `remote` under the name `there`, in the file that Git ignores, for there is a password in it."""
        options = "".join(f"    {key} = {value}\n" for key, value in {"url": remote.url, **remote.options}.items())
        text = f"[core]\n    remote = there\n['remote \"there\"']\n{options}"
        (self.root / ".dvc/config.local").write_text(text)

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of every output's files."""
        return {f"{out}/{name}": digest for out in OUTPUTS for name, digest in of_folder(self.root / out).items()}

    def object(self, output: str) -> Path:
        """Return the file of the cache that holds an output's file, found by its content."""
        content = (self.root / output).read_bytes()
        return next(path for path in _objects(self.root / ".dvc/cache") if path.read_bytes() == content)


def _objects(store: Path) -> list[Path]:
    return sorted(path for path in (store / "files/md5").rglob("*") if path.is_file())


def flip(path: Path) -> bytes:
    """Change one bit in the midst of a file, times and mode as they were; return its bytes before."""
    before, state = path.read_bytes(), path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(len(before) // 2)
        file.write(bytes([before[len(before) // 2] ^ 1]))
    path.chmod(state.st_mode)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return before


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep DVC, Git and SSH away from the user's own settings."""
    home = tmp_path_factory.mktemp("home")
    user = "[user]\n    name = Test\n    email = t@example.org\n"
    (home / ".gitconfig").write_text(f"{user}[init]\n    defaultBranch = main\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))  # libgit2 looks in HOME alone
        for name in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE"):
            patch.setenv(f"DVC_{name}_DIR", str(home / name))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a project that has run and is committed, for tests to copy and to clone."""
    clone = Clone(tmp_path_factory.mktemp("made") / "first")
    for name, text in FILES.items():
        (clone.root / name).parent.mkdir(parents=True, exist_ok=True)
        (clone.root / name).write_text(text)
    clone.git("init", "-q")
    assert clone.dvc("repro", "-q") == 0
    clone.git("add", "-A")
    clone.git("commit", "-qm", "first")
    return clone


@pytest.fixture
def first(made: Clone, tmp_path: Path) -> Clone:
    """Return a copy of the project, with its cache."""
    return Clone(Path(shutil.copytree(made.root, tmp_path / "first", symlinks=True)))


@pytest.fixture
def second(made: Clone, tmp_path: Path) -> Clone:
    """Return what `git clone` makes of it: no data, no cache."""
    clone = Clone(tmp_path / "second")
    made.git("clone", "-q", str(made.root), str(clone.root))
    return clone


@pytest.fixture(params=["local", "ssh", "webdav"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    """Return an empty remote of each kind."""
    yield from serve(request.param, tmp_path)


def serve(kind: str, tmp_path: Path) -> Iterator[Remote]:
    """Yield a remote of that kind while its server runs."""
    root = tmp_path / "served"
    (root / "store").mkdir(parents=True)
    login = {"user": USER, "password": PASSWORD}
    stall = Stall()
    if kind == "local":
        yield Remote(str(root / "store"), root / "store")
    elif kind == "ssh":
        with ssh(root, stall) as port:
            yield Remote(f"ssh://127.0.0.1:{port}/store", root / "store", login, stall)
    else:
        with webdav(root) as port:
            yield Remote(f"webdav://127.0.0.1:{port}/store", root / "store", login)
