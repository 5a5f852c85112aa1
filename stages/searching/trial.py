"""One trial: a DVC experiment in a copy of the project, up to finetune and no further, watched while it learns.

`evaluate`, which alone reads the test rows, is never asked for. The training's scratch lies outside the copy, in the
folder of the search: its curves are read there as they grow, its lock says which process to stop, and a trial that was
interrupted goes on from its checkpoint.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from stages.core.errors import InputError
from stages.core.processes import started, taken
from stages.project import git, objects

TARGET = "finetune"
CURVE, SUMMARY = "metrics/finetune/validation.tsv", "metrics/finetune.json"
SCRATCH = "REPRISE_SCRATCH"
_PAUSE = 0.1  # seconds between two looks
_STAGE_FAILED = re.compile(r"^ERROR: failed to reproduce '(\w+)'", re.MULTILINE)
_TOLD = re.compile(r"^(?:\w+: error: |\w*Error: ).*$", re.MULTILINE)


@dataclass(frozen=True)
class Point:
    """What was measured on the validation rows at one time of the training."""

    epoch: float
    scores: dict[str, float]  # of the validation rows


@dataclass
class Outcome:
    """How a trial ended: with scores, stopped, or failed."""

    points: list[Point] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)  # of the best weights, when it came to its end
    stopped: bool = False
    failure: str = ""


Watch = Callable[[Point], bool]  # is told each point once, in order; returns whether to stop


class Runner:
    """Runs trials of one search, one after another, in the repository of the working folder."""

    def __init__(self, folder: Path) -> None:
        """Keep scratch and logs in `folder`; raises InputError while another process runs this search."""
        self.folder = folder.resolve()
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()

    def run(self, name: str, options: Sequence[str], watch: Watch) -> Outcome:
        """Run the experiment `name` with DVC's `options`; what it says goes to NAME.log.

        Raises InputError when DVC itself cannot run it, KeyboardInterrupt after the training has made its checkpoint.
        """
        self.forget(name)
        log = self.folder / f"{name}.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *options, TARGET],
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=self._environment(),
                start_new_session=True, pass_fds=(self._lock.fileno(),),
            )  # fmt: skip
            try:
                found = self._watched(process, watch)
            except BaseException:
                self._end(process)
                raise
        text = log.read_text(encoding="utf-8", errors="replace")
        if found.stopped:
            self.forget(name)  # when it was done before it could be stopped
        elif process.returncode:
            found.failure = _failure(text, log)
        else:
            self._collect(name, found, watch)
        self._clear()
        return found

    def forget(self, name: str) -> None:
        """Remove the experiment `name` from DVC, if it is there."""
        for ref in _refs(name):
            git.remove(Path(), ref)

    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**git.environment(), "PATH": path, SCRATCH: str(self.scratch)}

    def _watched(self, process: subprocess.Popen[bytes], watch: Watch) -> Outcome:
        found = Outcome()
        while process.poll() is None:
            for point in self._live()[len(found.points) :]:
                found.points.append(point)
                if not found.stopped and watch(point):
                    found.stopped = True
            if found.stopped:
                self._stop()
            time.sleep(_PAUSE)
        return found

    def _live(self) -> list[Point]:
        for path in self.scratch.glob(f"*/{Path(CURVE).name}"):
            with contextlib.suppress(FileNotFoundError):
                return list(points(path.read_text(encoding="utf-8")))
        return []

    def _collect(self, name: str, found: Outcome, watch: Watch) -> None:
        """Read what the experiment holds; a training out of DVC's cache had no curve to be watched as it grew."""
        commit = next(iter(_refs(name).values()), None)
        if commit is None:
            raise InputError(f"dvc exp run made no experiment {name}: see {self.folder / name}.log")
        whole = list(points(_text(commit, CURVE)))
        for point in whole[len(found.points) :]:
            found.points.append(point)
            if watch(point):
                found.stopped = True
                self.forget(name)
                return
        summary: dict[str, Any] = json.loads(_text(commit, SUMMARY))
        prefix = "validation_"
        found.scores = {k.removeprefix(prefix): v for k, v in summary.items() if k.startswith(prefix)}

    def _stop(self) -> bool:
        """Ask the training to end; return whether there is one. Its lock is held by no other process than it."""
        pid = holder(self.scratch / f"{TARGET}.lock")
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        return True

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the experiment: the training by its checkpoint, and what has not come to training at once."""
        while process.poll() is None:
            if not self._stop():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)

    def _clear(self) -> None:
        for path in self.scratch.iterdir():
            if path.is_dir():
                shutil.rmtree(path)

    def _locked(self) -> IO[str]:
        """Take the lock of the search. DVC's process shares it, so that of a search that was killed is waited for."""
        with contextlib.ExitStack() as opened:
            file = opened.enter_context((self.folder / "lock").open("a+", encoding="utf-8"))
            waiting = False
            while not taken(file, SCRATCH):
                file.seek(0)
                pid, _, since = file.read().strip().partition(" ")
                if since and str(started(int(pid))) == since:
                    raise InputError(f"this search is already running (process {pid}): wait for it, or stop it")
                if not waiting:
                    print("search: the trial that a killed search left running is stopped first", file=sys.stderr)
                waiting = True
                self._stop()
                time.sleep(_PAUSE)
            file.truncate(0)
            file.write(f"{os.getpid()} {started(os.getpid())}\n")
            file.flush()
            opened.pop_all()
        return file


def points(text: str) -> Iterator[Point]:
    """Yield what whole lines of a validation.tsv say; one that is still being written is not looked at."""
    whole = text[: text.rfind("\n") + 1]
    for row in csv.DictReader(io.StringIO(whole), delimiter="\t"):
        scores = {name: float(cell) for name, cell in row.items() if name not in ("step", "epoch")}
        yield Point(float(row["epoch"]), scores)


def holder(path: Path) -> int | None:
    """Return the process that holds the lock file `path`, None when nobody does."""
    with contextlib.suppress(FileNotFoundError), path.open("r+", encoding="utf-8") as file:
        if not taken(file, SCRATCH):
            text = file.read().strip()
            return int(text) if text else None
    return None


def _failure(text: str, log: Path) -> str:
    """Return why a stage failed, in the words it used. Raises InputError when it was no stage that did."""
    stage = _STAGE_FAILED.search(text)
    if stage is None:
        lines = [line for line in text.splitlines() if line.startswith("ERROR:")] or text.splitlines()[-1:]
        raise InputError(f"dvc exp run: {lines[-1].removeprefix('ERROR: ') if lines else 'said nothing'} (see {log})")
    told = _TOLD.findall(text)
    return told[-1] if told else f"{stage[1]} failed: see {log}"


def _refs(name: str) -> dict[str, str]:
    """Return {ref: commit} of the experiments of this name."""
    return {ref: commit for ref, commit in git.refs(Path(), "refs/exps").items() if ref.endswith(f"/{name}")}


def _text(commit: str, path: str) -> str:
    """Return a file of an experiment. Raises InputError when it has none such."""
    content = objects.file(Path(), commit, path)
    if content is None:
        raise InputError(f"{path}: the experiment {commit[:12]} lacks it")
    return content.decode()
