"""One record: what a dvc.lock and the metrics beside it say of a run; triple.py tells what makes its triple."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.ledger import triple
from stages.ledger.history import METRICS, Snapshot
from stages.ledger.triple import CODE, FETCHING, Triple, number
from stages.project.lock import LOCK, Lock, parse, within
from stages.repro import digests

TRAINING = "finetune"
ENVIRONMENT = f"{METRICS}/environment.json"


@dataclass(frozen=True)
class Judged:
    """A score that evaluate wrote, as the list `metrics` of its file describes it."""

    key: str  # evaluate.NAME
    higher: bool  # whether more of it is better
    main: bool  # whether results are judged by it: it has a margin


@dataclass(frozen=True)
class Record:
    """What one snapshot says of a run."""

    decisive: Triple  # what decides the bits
    parameters: dict[str, Any]  # dotted key -> value, as the stages read them; fetching included
    fetched: dict[str, str]  # path -> digest of what the fetching stage read, code excluded
    outputs: dict[str, dict[str, str]]  # stage -> path -> digest, fetching excluded, in the order of the lock
    metrics: dict[str, float]  # file.key, of the numbers in metrics/*.json
    judged: tuple[Judged, ...]  # the main one first; () of a result from before evaluate described its scores
    environment: dict[str, Any]  # what the training stage wrote down; {} when nothing is known
    training: str  # digest of what decides the bits for the training stage alone, and what it wrote
    faults: tuple[str, ...]  # why the lock is no record of one run; () when it is
    notes: tuple[str, ...]  # what else is wrong

    @property
    def code(self) -> dict[str, str]:
        """Return {path, or `command STAGE`: digest, or the command}."""
        return self.decisive.code

    @property
    def data(self) -> dict[str, str]:
        """Return {path: digest} of what was fetched, or came with the repository."""
        return self.decisive.data

    @property
    def triple(self) -> str:
        """Return the digest of what decides the bits."""
        return self.decisive.digest

    @property
    def outcome(self) -> str:
        """Return the digest of all outputs."""
        return digests.of_value(self.outputs)


def read(snapshot: Snapshot, cache: Path) -> Record:
    """Return the record of a snapshot; `cache` is DVC's folder of MD5-named objects, which may be missing.

    Raises InputError when its dvc.lock is broken.
    """
    stages = parse(snapshot.files[LOCK], f"{snapshot.where}: {LOCK}", wanted=())
    counted = {name: stage for name, stage in stages.items() if name != FETCHING}
    before, fetching = _upstream(counted, TRAINING), stages.get(FETCHING)
    trees, notes = _metrics(stages, snapshot.files)
    environment, broken = _json(snapshot.files.get(ENVIRONMENT, b"{}"), ENVIRONMENT)
    found = environment.get(TRAINING) if isinstance(environment, dict) else None
    missing = () if TRAINING in stages else (f"{LOCK} has no {TRAINING}",)
    return Record(
        decisive=triple.of(counted),
        parameters=dict(sorted(leaf for stage in stages.values() for leaf in stage.params.items())),
        fetched={p: d for p, d in fetching.deps.items() if not p.startswith(CODE)} if fetching else {},
        outputs={name: stage.outs for name, stage in counted.items()},
        metrics=_numbers(trees),
        judged=_judged(trees.get("evaluate", {})),
        environment=found if isinstance(found, dict) else {},
        training=digests.of_value([triple.of(before).digest, {name: stage.outs for name, stage in before.items()}]),
        faults=(*missing, *_mixed(counted, stages, cache)),
        notes=(*notes, *broken),
    )


def _upstream(stages: Lock, name: str) -> Lock:
    """Return the stages that `name` builds on, and itself, in the order of the lock; none when it is not there."""
    wanted, added = {name} & set(stages), True
    while added:
        deps = {dep for stage in wanted for dep in stages[stage].deps}
        more = {s for s, stage in stages.items() if any(within(dep, out) for dep in deps for out in stage.outs)}
        added = not more <= wanted
        wanted |= more
    return {s: stage for s, stage in stages.items() if s in wanted}


def _mixed(counted: Lock, stages: Lock, cache: Path) -> Iterator[str]:
    """Say where stages of one lock disagree on what they share: then it is not the record of one run.

    That happens when a pipeline is stopped half-way, or one stage is run alone, and the lock is committed.
    """
    seen: dict[str, tuple[str, str]] = {}
    facts = [(name, path, digest) for name, stage in stages.items() for path, digest in stage.outs.items()]
    for name, stage in counted.items():
        for out, digest in stage.outs.items():
            facts += [(name, f"{out}/{path}", inner) for path, inner in _listing(cache, digest)]
    for name, stage in counted.items():
        facts += [(name, path, digest) for path, digest in stage.deps.items()]
        facts += [(name, f"param {key}", json.dumps(number(value))) for key, value in stage.params.items()]
    for name, fact, value in facts:
        first, known = seen.setdefault(fact, (name, value))
        if known != value:
            yield f"{LOCK} mixes runs: {first} and {name} differ in {fact}"
            return


def _listing(cache: Path, digest: str) -> Iterator[tuple[str, str]]:
    """Yield (path, digest) of the files of a folder, when DVC's cache has its listing."""
    path = cache / digest[:2] / digest[2:]
    if digest.endswith(".dir") and path.is_file():
        for entry in json.loads(path.read_bytes()):
            yield entry["relpath"], entry["md5"]


def _metrics(stages: Lock, files: Mapping[str, bytes]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the content of the metrics files that are those of the lock, by name, and notes on the others."""
    trees: dict[str, dict[str, Any]] = {}
    notes: list[str] = []
    for path, digest in ((p, d) for stage in stages.values() for p, d in stage.outs.items()):
        folder, _, name = path.rpartition("/")
        if folder != METRICS or not name.endswith(".json"):
            continue
        if path not in files:
            notes.append(f"{path} is missing")
        elif hashlib.md5(files[path], usedforsecurity=False).hexdigest() != digest:
            notes.append(f"{path} is not that of {LOCK}")
        else:
            tree, broken = _json(files[path], path)
            notes += broken
            if isinstance(tree, dict):
                trees[name.removesuffix(".json")] = tree
    return trees, notes


def _numbers(trees: Mapping[str, dict[str, Any]]) -> dict[str, float]:
    found = (leaf for name, tree in trees.items() for leaf in yaml12.leaves(tree, f"{name}."))
    return dict(sorted((key, value) for key, value in found if _is_number(value)))


def _judged(scores: Mapping[str, Any]) -> tuple[Judged, ...]:
    """Return what metrics/evaluate.json says of its scores: those that are numbers in it."""
    listed = scores.get("metrics")
    rows = [row for row in listed if isinstance(row, list) and len(row) == 4] if isinstance(listed, list) else []
    return tuple(
        Judged(f"evaluate.{name}", better == "higher", margin is not None)
        for name, better, margin, _ in rows
        if isinstance(name, str) and _is_number(scores.get(name))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _json(text: bytes, path: str) -> tuple[Any, list[str]]:
    try:
        return json.loads(text), []
    except (ValueError, RecursionError):
        return {}, [f"{path} is not JSON"]
