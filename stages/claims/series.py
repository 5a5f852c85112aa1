"""Runs of one recipe with seeds of one's choice: those that are known are found, the others are made, one by one.

A run is known when its triple is: from a file that keeps runs, from the ledger (commits, branches, experiments), or
from a session that was stopped. Each that is made is written down before the next begins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.claims import runs
from stages.claims.runs import Run
from stages.core.errors import InputError
from stages.core.files import outputs, write_json
from stages.ledger import record
from stages.ledger.history import METRICS, Snapshot
from stages.ledger.runs import CACHE, ledger
from stages.ledger.runs import Run as Recorded
from stages.ledger.triple import FETCHING, STREAMS
from stages.project import lock
from stages.project.lock import LOCK
from stages.verification import derivation, numbers, plan
from stages.verification.comparison import SCORES
from stages.verification.derivation import Commit, Ended, Runner
from stages.verification.environments import Setting
from stages.verification.plan import Plan

EVALUATE = "evaluate."


@dataclass(frozen=True)
class Draw:
    """Which seeds a run is to have."""

    seed: int
    pinned: tuple[tuple[str, int], ...] = ()  # streams that have a seed of their own


@dataclass(frozen=True)
class Found:
    """A run, and where it is from."""

    run: Run
    origin: str


class Library:
    """The runs that are known: `kept` ones, those in `folder`, and those of the `repository`'s ledger, if any."""

    def __init__(self, folder: Path, kept: Iterable[Run] = (), repository: Path | None = None) -> None:
        self.folder, self._repository = folder, repository
        self._known: dict[str, Found] = {}
        for run in kept:
            self.add(run, "kept")
        for file in sorted(folder.glob("*.json")):
            for run in runs.load(file):
                self.add(run, "made before")

    def add(self, run: Run, origin: str) -> Found:
        """Take in a run; one that is known already stays."""
        return self._known.setdefault(run.triple, Found(run, origin))

    def all(self) -> list[Run]:
        """Return the runs that are known, the ledger's excluded."""
        return [found.run for found in self._known.values()]

    def find(self, wanted: Plan, seeds: Mapping[str, int], metric: str) -> Found | None:
        """Return the run of this triple if it is known, and its `metric` or that it failed."""
        data = self.data(wanted)
        if data is None:
            return None
        triple = wanted.triple(seeds, data).digest
        found = self._known.get(triple)
        if found is not None and (found.run.failure or metric in found.run.scores):
            return found
        for recorded in self._ledger:
            if recorded.record.triple == triple and EVALUATE + metric in recorded.record.metrics:
                return Found(_of_ledger(recorded, wanted), f"ledger, {recorded.name}")
        return None

    def data(self, wanted: Plan) -> dict[str, str] | None:
        """Return what the plan will fetch, if a run that is known fetched the same."""
        for found in self._known.values():
            if found.run.told == wanted.told:
                return {path: digest for path, digest in found.run.data.items() if path in wanted.wanted}
        fetched = (wanted.fetched_by(recorded.record) for recorded in self._ledger)
        return next((data for data in fetched if data), None)

    @cached_property
    def _ledger(self) -> list[Recorded]:
        if self._repository is None:
            return []
        return [run for run in ledger(self._repository).runs if not run.record.faults]


class Series:
    """The runs of a commit, under its recipe."""

    def __init__(self, commit: Commit, library: Library) -> None:
        self.commit, self.library = commit, library

    @cached_property
    def plan(self) -> Plan:
        """Return what would be run. Raises InputError when there is no such recipe."""
        place = _place(self.library.folder, "plan")
        try:
            return plan.of(derivation.prepare(self.commit, Setting(), place))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def anew(self, library: Library) -> Series:
        """Return the same runs, of which only those in `library` are known."""
        other = Series(self.commit, library)
        other.plan = self.plan
        return other

    def find(self, draw: Draw, metric: str) -> Found | None:
        """Return the run if it is known."""
        found = self.library.find(self.plan, self.plan.seeds(draw.seed, dict(draw.pinned)), metric)
        return found and replace(found, run=replace(found.run, recipe=self.commit.recipe))

    def make(self, draw: Draw, tell: Callable[[str], None]) -> Found:
        """Make the run and write it down; `tell` hears how far it is. Raises InputError when there is nothing to run.

        A stage that fails is an outcome, but for the one that fetches: without its data nothing was tried.
        """
        place, runner = _place(self.library.folder, "work"), Runner()
        commit = replace(self.commit, seed=draw.seed, streams=draw.pinned)
        try:
            ended = runner.run(derivation.prepare(commit, Setting(), place), Setting(), 0, tell)
            if ended.failed_stage == FETCHING:
                raise InputError(f"nothing could be derived: the {FETCHING} stage failed: {ended.message}")
            run = self._failed(ended, draw) if ended.failed_stage else self._ended(ended)
        finally:
            runner.close()
            shutil.rmtree(place, ignore_errors=True)
        file = self.library.folder / f"{run.triple}.json"
        with outputs(file) as (staged,):
            write_json(staged, runs.kept([run]))
        return self.library.add(run, "derived")

    def _ended(self, ended: Ended) -> Run:
        found = [ended.clone / LOCK, *sorted((ended.clone / METRICS).glob("*.json"))]
        files = {path.relative_to(ended.clone).as_posix(): path.read_bytes() for path in found}
        made = record.read(Snapshot("", (), files), ended.clone / CACHE)
        return Run(
            self.commit.recipe, **_parts(made), told=self.plan.told, outcome=made.outcome,
            scores=numbers.scores(ended.clone / SCORES), failure=None, environment=runs.environment(ended.had),
        )  # fmt: skip

    def _failed(self, ended: Ended, draw: Draw) -> Run:
        entry = lock.parse((ended.clone / LOCK).read_bytes(), LOCK, wanted=(FETCHING,))[FETCHING]
        said = str(ended.message).removeprefix(f"{ended.failed_stage}: error: ")
        fetched = {path: md5 for path, md5 in entry.outs.items() if path in self.plan.wanted}
        return Run(
            self.commit.recipe, self.plan.seeds(draw.seed, dict(draw.pinned)), self.plan.code, self.plan.parameters,
            {**self.plan.data, **fetched}, self.plan.told, outcome=None, scores={},
            failure=f"{ended.failed_stage}: {said}", environment=runs.environment(ended.had),
        )  # fmt: skip


def _of_ledger(recorded: Recorded, wanted: Plan) -> Run:
    made = recorded.record
    scores: dict[str, float | None] = {}
    for key, value in made.metrics.items():
        name = key.removeprefix(EVALUATE)
        if name != key and "." not in name and isinstance(value, float):
            scores[name] = value
    return Run(
        None, **_parts(made), told=wanted.told, outcome=made.outcome, scores=scores, failure=None,
        environment=runs.environment(recorded.environment),
    )  # fmt: skip


def _parts(made: record.Record) -> dict[str, dict[str, Any]]:
    own = made.decisive.parameters
    seeds = {key.removeprefix(STREAMS): value for key, value in own.items() if key.startswith(STREAMS)}
    parameters = {key: value for key, value in own.items() if not key.startswith(STREAMS)}
    return {"seeds": seeds, "code": made.code, "parameters": parameters, "data": made.data}


def _place(folder: Path, name: str) -> Path:
    """Return an empty folder of its own; what is left of a run that was killed lies in another one, or goes."""
    shutil.rmtree(folder / name, ignore_errors=True)
    return (folder / name / str(os.getpid())).absolute()
