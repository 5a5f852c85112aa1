"""A verification: the reference, then each environment; what is done is kept, so that it can go on after a stop."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.files import outputs, read_json, write_json
from stages.core.params import PARAMS, Section
from stages.ledger.runs import COST
from stages.ledger.triple import STREAMS
from stages.project import git, lock
from stages.repro.determinism import ISA
from stages.repro.digests import of_file, of_folder, of_value
from stages.verification import comparison, derivation, environments, numbers, reference
from stages.verification.board import Board
from stages.verification.derivation import Commit, Ended, Runner
from stages.verification.environments import Environment, Setting
from stages.verification.grades import Tolerances, grade, tolerances
from stages.verification.records import Evidence, Pair
from stages.verification.reference import Reference


class Kept(Section):
    """What is kept of one environment's derivation."""

    evidence: Evidence
    had: dict[str, Any]
    seconds: float
    kills: list[int]
    sha256: dict[str, str]  # of the outputs, when all have the reference's digests


@dataclass
class Session:
    """One commit verified in several environments."""

    commit: Commit
    environments: Mapping[str, Environment]
    state: Path
    seeds: int = 1
    tolerances: Tolerances = field(default_factory=Tolerances, init=False)  # the reference says which scores are judged

    def __post_init__(self) -> None:
        if self.seeds > 1:  # without it nobody knows that other seeds of the reference can be derived here
            self.environments = {"same": environments.of("same"), **self.environments}
        self.repeats = False
        self.board = Board([*(["reference"] if self.commit.recipe else []), *self.environments])
        self.runner = Runner()
        self._lock = threading.Lock()

    def run(self, jobs: int) -> tuple[Reference, dict[str, Kept]]:
        """Derive and compare all, `jobs` at once. Raises InputError when the commit cannot be verified."""
        pool = ThreadPoolExecutor(jobs)
        try:
            expected = self._reference()
            scores = expected.folder / comparison.SCORES
            self.tolerances = tolerances(read_json(scores) if scores.is_file() else {})
            if self.seeds > 1:
                _check_streams(expected)
            names = list(self.environments)
            found = {"same": self._environment("same", expected)} if "same" in names else {}  # it gives the bytes
            self.repeats = bool(found) and grade(found["same"].evidence, self.tolerances)[0] == "BITWISE"
            waiting = {n: pool.submit(self._environment, n, expected) for n in names if n not in found}
            found |= {name: future.result() for name, future in waiting.items()}
        except BaseException:
            self.runner.close()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        pool.shutdown()
        return expected, {name: found[name] for name in names}

    def _reference(self) -> Reference:
        folder, note = self.state / "reference", self.state / "reference.json"
        commit = self.commit
        if commit.recipe is not None and not note.is_file():
            place = self._place("reference")
            clone = derivation.prepare(commit, Setting(), place)
            if str(PARAMS) in git.edited(clone):
                ended = self.runner.run(clone, Setting(), 0, lambda text: self.board.tell("reference", text))
                if ended.failed_stage is not None:
                    raise InputError(f"no reference: stage {ended.failed_stage} failed: {ended.message}")
                found = reference.derived(clone, folder)
                self.board.done("reference", f"derived       {ended.seconds:5.0f} s  the recipe's result, run plainly")
                with outputs(note) as (staged,):
                    write_json(staged, {"text": found.text, "environment": found.environment})
                shutil.rmtree(place, ignore_errors=True)
                return found
            shutil.rmtree(place, ignore_errors=True)
        if note.is_file():
            kept = read_json(note)
            self.board.done("reference", "derived       kept from the run before")
            return Reference("derived", kept["text"], lock.parse(kept["text"], "dvc.lock"), kept["environment"], folder)
        if commit.recipe is not None:
            self.board.done("reference", "committed     the recipe is what the commit holds")
        return reference.committed(commit.repository, commit.sha, folder, worktree=bool(commit.edits))

    def _environment(self, name: str, expected: Reference) -> Kept:
        file = self.state / f"{of_value(name)[:16]}.json"
        if file.is_file():
            kept = Kept.model_validate_json(file.read_bytes())
            self._tell(name, kept, " (kept)")
            return kept
        setting = self.environments[name].setting()
        kept = self._derived(name, setting, expected)
        if self.seeds > 1 and kept.evidence.differing and grade(kept.evidence, self.tolerances)[0] == "INCONCLUSIVE":
            kept = kept.model_copy(update={"evidence": self._over_seeds(name, setting, expected, kept.evidence)})
        if kept.evidence.failed_stage != "download":  # a network that was away may be back
            with outputs(file) as (staged,):
                staged.write_text(kept.model_dump_json(), encoding="utf-8")
        self._tell(name, kept, "")
        return kept

    def _tell(self, name: str, kept: Kept, note: str) -> None:
        given, reason = grade(kept.evidence, self.tolerances)
        self.board.done(name, f"{given:<13} {kept.seconds:5.0f} s  {reason}{note}")

    def _derived(self, name: str, setting: Setting, expected: Reference) -> Kept:
        place = self._place(name)
        clone = derivation.prepare(self.commit, setting, place)
        steps = _rows(expected.folder / comparison.TRACE)
        ended = self.runner.run(clone, setting, steps, lambda text: self.board.tell(name, text))
        sha256: dict[str, str] = {}
        if ended.failed_stage is not None:
            evidence = Evidence(failed_stage=ended.failed_stage, message=ended.message)
        else:
            found = comparison.read(clone)
            evidence = comparison.compare(expected, found, clone, ended.had, self._files())
            evidence = evidence.model_copy(update={"undone": _undone(setting, ended)})
            if not evidence.differing:
                sha256 = {path: _sha256(clone / path) for path in lock.outputs(found)}
                reference.keep(clone, found, expected.folder)
        shutil.rmtree(place, ignore_errors=True)
        had = {k: v for k, v in ended.had.items() if k not in COST}
        return Kept(evidence=evidence, had=had, seconds=ended.seconds, kills=ended.kills, sha256=sha256)

    def _over_seeds(self, name: str, setting: Setting, expected: Reference, evidence: Evidence) -> Evidence:
        """Return the evidence with pairs, if the reference's other seeds can be derived here."""
        why = None
        if expected.origin == "committed" and not self.repeats:
            why = "a plain run here is not BITWISE what is committed, so its other seeds cannot be derived here"
        elif not evidence.scores:
            why = "the scores of the reference are not here"
        if why is None:
            return evidence.model_copy(update={"pairs": self._pairs(name, setting, expected, evidence)})
        return evidence.model_copy(update={"not_compared": [*evidence.not_compared, f"other seeds: {why}"]})

    def _pairs(self, name: str, setting: Setting, expected: Reference, evidence: Evidence) -> list[Pair]:
        """Return the scores of `seeds` seeds on both sides: the reference's own settings, and those of `name`."""
        own = int(lock.params(expected.lock)["seed"])
        margins = self.tolerances.margins
        first = evidence.scores
        sides = [
            numbers.finite({n: getattr(first[n], side) for n in first}, margins) for side in ("reference", "derived")
        ]
        pairs = [Pair(seed=own, reference=sides[0], derived=sides[1])]
        for seed in range(own + 1, own + self.seeds):
            both = []
            for what, way in (("reference", Setting()), (name, setting)):
                file = self.state / f"{of_value([what, seed])[:16]}.scores.json"
                with self._lock if what == "reference" else contextlib.nullcontext():  # environments share its side
                    if not file.is_file():
                        found = self._scores(name, way, replace(self.commit, seed=seed))
                        with outputs(file) as (staged,):
                            write_json(staged, found)
                both.append(read_json(file))
            pairs.append(Pair(seed=seed, reference=both[0], derived=both[1]))
        return pairs

    def _scores(self, name: str, setting: Setting, commit: Commit) -> dict[str, float] | None:
        place = self._place(name)
        clone = derivation.prepare(commit, setting, place)
        ended = self.runner.run(clone, setting, 0, lambda text: self.board.tell(name, f"seed {commit.seed}: {text}"))
        path = clone / comparison.SCORES
        if ended.failed_stage == "download":
            raise InputError(f"{name}, seed {commit.seed}: the download stage failed: {ended.message}")
        failed = ended.failed_stage is not None
        found = None if failed else numbers.finite(numbers.scores(path), self.tolerances.margins)
        shutil.rmtree(place, ignore_errors=True)
        return found

    def _files(self) -> Callable[[str], list[str]]:
        repository, sha = self.commit.repository, self.commit.sha
        base = git.last_change(repository, sha, lock.LOCK)

        def files(path: str) -> list[str]:
            since = git.changed(repository, base, sha, path) if base else []
            return sorted({*since, *(e for e in self.commit.edits if e == path or e.startswith(f"{path}/"))})

        return files

    def _place(self, name: str) -> Path:
        """Return an empty folder of its own; what is left of a run that was killed lies in another one."""
        place = self.state / "work" / f"{of_value(name)[:8]}-{os.getpid()}"
        shutil.rmtree(place, ignore_errors=True)
        return place.absolute()


def _undone(setting: Setting, ended: Ended) -> str | None:
    """Say what the environment asked for and the derivation did not do; None when it did all."""
    if len(ended.kills) < setting.kills:
        return f"killed {len(ended.kills)} times instead of {setting.kills}: the training was too short"
    level = setting.variables.get(ISA)
    if level is not None and ended.had.get("settings", {}).get(ISA) != level:
        return f"the training does not say that it ran under {ISA}={level}: this commit may not know of it"
    return None


def _check_streams(expected: Reference) -> None:
    """Raise InputError when another seed would change nothing."""
    streams = {key: value for key, value in lock.params(expected.lock).items() if key.startswith(STREAMS)}
    if streams and "null" not in streams.values():
        raise InputError("--seeds: every stream has a seed of its own in seed_streams, so another seed changes nothing")


def _rows(trace: Path) -> int:
    return trace.read_bytes().count(b"\n") - 1 if trace.is_file() else 20


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or that of {path: SHA-256} of a folder's files as canonical JSON."""
    return of_value(of_folder(path)) if path.is_dir() else of_file(path)
