"""Every variant of every attack in a process of its own, bounded in time and memory; what is done is kept."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.attacks.place import Attack, Broken, Place, bound

KEPT = "results.jsonl"
POLL = 0.02  # seconds


@dataclass(frozen=True)
class Result:
    """What one variant came to."""

    target: str
    attack: str
    variant: str
    held: bool
    happened: str
    seconds: float


@dataclass(frozen=True)
class Task:
    """One variant to be tried."""

    target: str
    attack: Attack
    variant: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.target, self.attack.name, self.variant


@dataclass
class _Started:
    task: Task
    pid: int
    place: Place
    began: float


def tried(
    targets: Mapping[str, Iterable[Attack]], made: Path, folder: Path, jobs: int, tell: Callable[[Result], None]
) -> list[Result]:
    """Return the results of all variants in the order of the catalogue; those that `folder` holds are not tried again.

    `jobs` are tried at once. A variant that ends without a word, takes too long or raises anything did not hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = {(one.target, one.attack, one.variant): one for one in _kept(folder / KEPT)}
    tasks = [Task(name, a, variant) for name, attacks in targets.items() for a in attacks for variant in a.variants]
    waiting = [task for task in tasks if task.key not in done]
    running: list[_Started] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(
                    _start(waiting.pop(0), made, folder / "places" / f"{os.getpid()}-{len(done) + len(running)}")
                )
            time.sleep(POLL)
            for started in list(running):
                if (result := _looked(started)) is not None:
                    running.remove(started)
                    done[started.task.key] = result
                    with (folder / KEPT).open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(result)) + "\n")
                    tell(result)
    finally:
        for started in running:
            _kill(started.pid)
    return [done[task.key] for task in tasks]


def _kept(path: Path) -> list[Result]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # without one that was cut off
    return [Result(**json.loads(line)) for line in lines]


def _start(task: Task, made: Path, folder: Path) -> _Started:
    while folder.exists():
        folder = folder.with_name(f"{folder.name}x")
    folder.mkdir(parents=True)
    place = Place(folder.absolute() / "place", made)
    place.folder.mkdir()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _attack(task, place)
    return _Started(task, pid, place, time.monotonic())


def _attack(task: Task, place: Place) -> None:
    """Try a variant and write what happened; the process ends here."""
    verdict = place.folder.parent / "verdict.json"
    held = False
    try:
        os.setsid()
        with (place.folder.parent / "log").open("wb") as log:
            for number in (1, 2):
                os.dup2(log.fileno(), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(place.folder)
        bound()
        try:
            happened = task.attack.act(place, task.attack.variants[task.variant])
            held = True
        except Broken as broken:
            happened = str(broken)
        verdict.write_text(json.dumps([held, happened]), encoding="utf-8")
    except BaseException as error:  # the attack itself failed: nobody knows whether it would have held
        verdict.write_text(json.dumps([False, f"the attack failed: {type(error).__name__}: {error}"]), encoding="utf-8")
    finally:
        os._exit(0)


def _looked(started: _Started) -> Result | None:
    """Return what came of a variant, None while it goes on."""
    seconds = time.monotonic() - started.began
    ended = os.waitpid(started.pid, os.WNOHANG)[0] != 0
    if not ended and seconds < started.task.attack.seconds:
        return None
    _kill(started.pid)
    if not ended:
        os.waitpid(started.pid, 0)
    verdict = started.place.folder.parent / "verdict.json"
    held, happened = False, f"no end within {started.task.attack.seconds:g} s"
    if ended:
        happened = "the process ended without a word"
        if verdict.is_file():
            held, happened = json.loads(verdict.read_text(encoding="utf-8"))
    shutil.rmtree(started.place.folder.parent, ignore_errors=True)
    happened = " ".join(happened.replace(str(started.place.folder), "…").replace(str(Path.cwd()), "…").split())[:400]
    return Result(
        started.task.target, started.task.attack.name, started.task.variant, held, happened, round(seconds, 1)
    )


def _kill(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
