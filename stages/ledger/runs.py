"""From records to runs, and from runs to repeats.

When are two records two runs, and when is one run recorded twice? A commit that ran nothing carries its parent's lock
along; so do a branch, a cherry-pick and an applied experiment. Three facts are at hand: the triple, the outputs, and
`metrics/environment.json`, which the training stage writes when it really runs and which holds how long it took and the
peak memory of each worker. From them:

1. Records of other triples or other outputs are other runs: one execution has one outcome.
2. Records of equal triple and outputs are two runs when their environments, times and memory included, differ, and one
   run recorded twice when they do not.
3. An environment belongs to the training that is recorded with it first. Beside any other training it was left lying
   there, because DVC took that result from its cache and nothing ran. Such a record has no environment, and is the run
   of the same triple and outputs if there is one.

What this cannot see: a second run that took as long, to a tenth of a second, and as much memory as the first counts as
the same run; `evaluate` run again alone with equal outputs leaves no trace; and a result out of DVC's cache beside the
environment of a run that was never recorded counts as a run of that environment. A lock that mixes runs, or has no
training, stands in the ledger with that note, and is never called a repeat of anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stages.core import yaml12
from stages.core.errors import InputError
from stages.ledger.history import snapshots
from stages.ledger.record import Record, read
from stages.repro import digests

CACHE = Path(".dvc/cache/files/md5")
TOLERANCE = 1e-3  # largest difference of a metric between runs that are called close
COST = frozenset({"seconds", "peak_memory_mb"})  # parts of an environment that differ between any two runs
Verdict = Literal["repeatable", "close", "NOT REPEATABLE"]


@dataclass
class Run:
    """One execution of the pipeline, as far as can be told."""

    record: Record
    environment: dict[str, Any]  # {} when it is not known
    commits: list[str] = field(default_factory=list)  # where it is recorded, oldest first; "" is the working tree
    names: list[str] = field(default_factory=list)  # experiments, branches and tags at those commits

    @property
    def name(self) -> str:
        """Return what to call it."""
        return ", ".join(self.names) or (self.commits[0][:7] if self.commits[0] else "workspace")


@dataclass(frozen=True)
class Repeat:
    """Several runs of one triple, and how equal they came out."""

    runs: tuple[Run, ...]
    verdict: Verdict
    stage: str | None  # the first whose outputs differ, in the order of the lock
    differences: dict[str, float]  # metric -> largest - smallest, those above 0, largest first
    missing: tuple[str, ...]  # metrics that not all of the runs have
    environment: dict[str, tuple[str, ...]]  # what differs there, but for COST -> its values, in the order of the runs


@dataclass(frozen=True)
class Ledger:
    """All runs, oldest first, and the repeats among them."""

    runs: tuple[Run, ...]
    repeats: tuple[Repeat, ...]
    problems: tuple[str, ...]  # locks that could not be read


def ledger(root: Path, tolerance: float = TOLERANCE) -> Ledger:
    """Return the ledger of the repository at `root`. Raises InputError where there is none."""
    recorded: list[tuple[str, tuple[str, ...], Record]] = []
    problems: list[str] = []
    known: dict[int, Record | None] = {}  # by identity: snapshots of equal files share them
    held = []
    for snapshot in snapshots(root):
        held.append(snapshot.files)  # so that no identity is given twice
        if id(snapshot.files) not in known:
            try:
                known[id(snapshot.files)] = read(snapshot, root / CACHE)
            except InputError as error:
                known[id(snapshot.files)] = None
                problems.append(str(error))
        record = known[id(snapshot.files)]
        if record is not None:
            recorded.append((snapshot.commit, snapshot.names, record))
    runs = distinct(recorded)
    return Ledger(runs, repeats(runs, tolerance), tuple(problems))


def distinct(recorded: Sequence[tuple[str, Sequence[str], Record]]) -> tuple[Run, ...]:
    """Return the runs of (commit, names, record), oldest first, by the rules above."""
    owner: dict[str, str] = {}
    runs: dict[tuple[str, str, str], Run] = {}
    environments = [_provenance(record, owner) for _, _, record in recorded]
    known = {
        (r.triple, r.outcome): e for (_, _, r), e in zip(reversed(recorded), reversed(environments), strict=True) if e
    }
    for (commit, names, record), own in zip(recorded, environments, strict=True):
        key = (record.triple, record.outcome)
        chosen = own or known.get(key, "")
        run = runs.setdefault((*key, chosen), Run(record, record.environment if own else {}))
        run.record = min(run.record, record, key=lambda r: len(r.notes))  # metrics may have been committed later
        run.environment = run.environment or (record.environment if own else {})
        run.commits.append(commit)
        run.names += [name for name in names if name not in run.names]
    return tuple(runs.values())


def _provenance(record: Record, owner: dict[str, str]) -> str:
    """Return the digest of the record's environment if it is that of its own training, else ""."""
    if not record.environment:
        return ""
    digest = digests.of_value(record.environment)
    return digest if owner.setdefault(digest, record.training) == record.training else ""


def repeats(runs: Iterable[Run], tolerance: float = TOLERANCE) -> tuple[Repeat, ...]:
    """Return the triples that were run more than once, in the order of their first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if not run.record.faults:
            groups.setdefault(run.record.triple, []).append(run)
    return tuple(_compared(group, tolerance) for group in groups.values() if len(group) > 1)


def _compared(runs: Sequence[Run], tolerance: float) -> Repeat:
    outputs = [run.record.outputs for run in runs]
    names = dict.fromkeys(stage for found in outputs for stage in found)
    stage = next((name for name in names if any(found.get(name) != outputs[0].get(name) for found in outputs)), None)
    metrics = [run.record.metrics for run in runs]
    shared = set.intersection(*map(set, metrics))
    missing = tuple(sorted(set.union(*map(set, metrics)) - shared))
    spread = {key: max(m[key] for m in metrics) - min(m[key] for m in metrics) for key in sorted(shared)}
    differences = {key: by for key, by in sorted(spread.items(), key=lambda item: -item[1]) if by > 0}
    near = bool(shared) and not missing and all(by <= tolerance for by in differences.values())
    verdict: Verdict = "repeatable" if stage is None else "close" if near else "NOT REPEATABLE"
    return Repeat(tuple(runs), verdict, stage, differences, missing, _environments([r.environment for r in runs]))


def _environments(found: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    facts = [dict(yaml12.leaves(environment)) for environment in found]
    keys = dict.fromkeys(key for one in facts for key in one)
    values = {key: tuple(str(one.get(key, "unknown")) for one in facts) for key in keys if key not in COST}
    return {key: each for key, each in values.items() if len(set(each)) > 1}
