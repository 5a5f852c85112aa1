"""One derivation: a fresh clone with empty caches, an environment, `dvc repro`."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.project import git
from stages.repro import determinism
from stages.verification import hermetic, seeding
from stages.verification.environments.setting import Setting

STEPS = "metrics/finetune/steps.tsv"
ENVIRONMENT = "metrics/environment.json"
OURS = (*determinism.STEERING, determinism.LOADED, "REPRISE_", "DVC_", "GIT_", "PYTHON", "HF_")
JOINED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "VIRTUAL_ENV")
POLL = 0.05  # seconds
# Read by Python before anything else, from a folder on PYTHONPATH.
BACKWARDS = """import os
_list, _scan = os.listdir, os.scandir
class _Backwards:
    def __init__(self, *where):
        with _scan(*where) as found:
            self._entries = iter(sorted(found, key=lambda e: e.name, reverse=True))
    def __iter__(self): return self
    def __next__(self): return next(self._entries)
    def __enter__(self): return self
    def __exit__(self, *_): self.close()
    def close(self): self._entries = iter(())
os.listdir = lambda *where: sorted(_list(*where), reverse=True)
os.scandir = _Backwards
"""


@dataclass(frozen=True)
class Commit:
    """What is to be derived."""

    repository: Path
    sha: str
    edits: tuple[str, ...] = ()  # files of the working tree that are laid over the commit
    recipe: str | None = None  # merged into params.yaml first
    seed: int | None = None  # in place of that of params.yaml
    streams: tuple[tuple[str, int], ...] = ()  # (name, seed) of streams that get a seed of their own


@dataclass
class Ended:
    """How it ended."""

    clone: Path
    failed_stage: str | None = None
    message: str | None = None
    kills: list[int] = field(default_factory=list)  # steps at which it was killed
    had: dict[str, Any] = field(default_factory=dict)  # what the training says of its environment
    seconds: float = 0.0


def prepare(commit: Commit, setting: Setting, place: Path) -> Path:
    """Clone into the new folder `place` and return the clone, without the dvc.lock and the metrics that are committed.

    So whatever stands there afterwards is what was derived. Raises InputError when it cannot be made.
    """
    clone = git.clone(commit.repository, commit.sha, place / setting.folder, commit.edits)
    place = clone.parent  # of a project in a sub-folder of its repository: within the clone
    if not (clone / ".dvc").is_dir():
        raise InputError(f"commit {commit.sha[:12]} has no .dvc, so it is no DVC project: nothing can be derived")
    (clone / ".dvc/config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
    if commit.recipe is not None:
        command = [str(interpreter(Setting())), "-m", "stages.recipe", commit.recipe]
        ended = subprocess.run(
            command, cwd=clone, env=variables(Setting(), place), capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise InputError(f"--recipe: {ended.stderr.strip().removeprefix('recipe: error: ')}")
    if commit.seed is not None or commit.streams:
        params = clone / "params.yaml"
        text = seeding.seeded(params.read_text(encoding="utf-8"), commit.seed, dict(commit.streams))
        params.write_text(text, encoding="utf-8", newline="\n")
    shutil.rmtree(clone / "metrics", ignore_errors=True)
    (clone / "dvc.lock").unlink(missing_ok=True)
    if setting.reversed_listings:
        (place / "python").mkdir()
        (place / "python/sitecustomize.py").write_text(BACKWARDS, encoding="utf-8")
    if setting.hermetic:
        hermetic.stand_in(place, interpreter(setting))
    return clone


def interpreter(setting: Setting) -> Path:
    """Return the Python that runs the stages. Raises InputError when it is not there or lacks what the stages need."""
    path = Path(sys.executable) if setting.interpreter is None else setting.interpreter.expanduser().absolute()
    if not os.access(path, os.X_OK) or path.is_dir():
        raise InputError(f"{path}: no such interpreter: wanted the bin/python of a virtual environment")
    if not (path.parent / "python").exists():
        raise InputError(f"{path.parent}: has no `python` beside {path.name}, by which dvc.yaml runs the stages")
    if setting.interpreter is not None:
        probe = "import dvc, torch, transformers, datasets, sklearn, pydantic, pyarrow, xxhash"
        ended = subprocess.run([str(path), "-c", probe], capture_output=True, text=True, check=False)
        if ended.returncode:
            said = (ended.stderr.strip().splitlines() or [f"ended with code {ended.returncode}"])[-1]
            raise InputError(f"{path}: cannot run the stages: {said}")
    return path


def variables(setting: Setting, place: Path) -> dict[str, str]:
    """Return the environment variables of a derivation in `place`: the user's, without those that steer the stages."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS) and k not in JOINED}
    archives = os.environ.get("REPRISE_CACHE")  # archives are checked by SHA-256 at every use, so they may be shared
    found = {
        **kept,
        "PATH": f"{interpreter(setting).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        **({"REPRISE_CACHE": str(Path(archives).absolute())} if archives else {}),
        "DVC_GLOBAL_CONFIG_DIR": str(place / "dvc/global"),
        "DVC_SYSTEM_CONFIG_DIR": str(place / "dvc/system"),
        "DVC_SITE_CACHE_DIR": str(place / "dvc/site"),
        "DVC_NO_ANALYTICS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **setting.variables,
    }
    if setting.own_home:
        found["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        found["HOME"] = str(place / "home")
        (place / "home").mkdir(parents=True, exist_ok=True)
    if setting.reversed_listings:
        found["PYTHONPATH"] = str(place / "python")
    if setting.hermetic:
        found["PATH"] = f"{place / 'bin'}{os.pathsep}{found['PATH']}"
    return found


class Runner:
    """Runs derivations, and ends what still runs when it is closed."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._closed = False

    def close(self) -> None:
        """Kill all processes of derivations that still run."""
        self._closed = True
        for leader in list(self._running):
            _kill(leader)

    def run(self, clone: Path, setting: Setting, steps: int, tell: Callable[[str], None] = lambda _: None) -> Ended:
        """Derive in `clone` (see `prepare`), interrupted as often as `setting` says; `tell` hears the stage and step.

        steps: of the training, as far as is known; interruptions fall within them.
        """
        began = time.monotonic()
        place = clone.parent
        ended = Ended(clone)
        command = [str(interpreter(setting)), "-m", "dvc", "repro", "-f"]
        kills = sorted(random.SystemRandom().randrange(1, max(2, steps * 4 // 5)) for _ in range(setting.kills))
        for kill in [*kills, None]:
            code, said = self._once(command, clone, variables(setting, place), setting.umask, kill, tell)
            if code == 0 or code != -signal.SIGKILL or kill is None:
                break
            ended.kills.append(kill)
            command = command[:4]  # what is done is done: the same command without -f goes on
        if code:
            stages = re.findall(r"^Running stage '(\w+)':", said, re.MULTILINE)
            ended.failed_stage = stages[-1] if stages else "download"
            lines = [line for line in said.splitlines() if "error: " in line] or said.splitlines() or [f"code {code}"]
            ended.message = lines[0].replace(str(place), "…")
        if (clone / ENVIRONMENT).is_file():
            ended.had = read_json(clone / ENVIRONMENT).get("finetune", {})
        ended.seconds = round(time.monotonic() - began, 1)
        return ended

    def _once(
        self, command: list[str], clone: Path, env: dict[str, str], umask: int, kill: int | None,
        tell: Callable[[str], None],
    ) -> tuple[int, str]:  # fmt: skip
        log = clone.parent / "log.txt"
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, cwd=clone, env=env, umask=umask, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip
        self._running.add(process.pid)
        try:
            with guarded(process.pid):
                self._watch(process, clone, kill, tell)
        finally:
            if process.poll() is None:
                _kill(process.pid)
                process.wait()
            self._running.discard(process.pid)
        if self._closed:
            raise InputError("interrupted")
        return process.returncode, log.read_text(encoding="utf-8", errors="replace")

    def _watch(
        self, process: subprocess.Popen[bytes], clone: Path, kill: int | None, tell: Callable[[str], None]
    ) -> None:
        """Wait for the end; kill at step `kill`, or when closed."""
        log, sandbox = clone.parent / "log.txt", hermetic.folder(clone, "finetune")
        while process.poll() is None:
            time.sleep(POLL)
            stage = (re.findall(rb"^Running stage '(\w+)':", log.read_bytes(), re.MULTILINE) or [b"start"])[-1]
            training = sandbox if sandbox.is_dir() else clone
            done = _lines(training / STEPS) if stage == b"finetune" else 0
            tell(f"{stage.decode()}, step {done}" if done else stage.decode())
            if self._closed or (kill is not None and done >= kill):
                _kill(process.pid)


@contextlib.contextmanager
def guarded(leader: int) -> Iterator[None]:
    """See to it that the process group `leader` ends with this process, however that ends: by kill -9 too.

    A shell waits for the end of a pipe whose other end is held by this process alone.
    """
    ours, theirs = os.pipe()
    command = ["sh", "-c", 'read -r _; kill -9 "-$0"', str(leader)]
    guard = subprocess.Popen(command, stdin=ours, stderr=subprocess.DEVNULL, start_new_session=True)
    os.close(ours)
    try:
        yield
    finally:
        guard.kill()
        guard.wait()
        os.close(theirs)


def _kill(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.killpg(leader, signal.SIGKILL)


def _lines(path: Path) -> int:
    """Return the number of lines below the header; 0 when the file is not there or is just being replaced."""
    try:
        return max(0, path.read_bytes().count(b"\n") - 1)
    except OSError:
        return 0
