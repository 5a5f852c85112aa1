"""dvc.lock as it is compared: what each stage read, under which params, and what it wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError

STAGES = ("download", "preprocess", "tokenize", "finetune", "evaluate")


@dataclass(frozen=True)
class Stage:
    """One stage's entry."""

    deps: dict[str, str]  # path -> MD5; that of a folder ends in .dir
    params: dict[str, str]  # dotted key down to each leaf -> its value as JSON
    outs: dict[str, str]  # path -> MD5


Lock = dict[str, Stage]


def parse(text: str, name: str, wanted: Iterable[str] = STAGES) -> Lock:
    """Return all stages of a dvc.lock. Raises InputError that names the file when it is none or lacks one `wanted`."""
    tree, _ = yaml12.parse(text, name)
    stages = tree.get("stages") if isinstance(tree, dict) else None
    if not isinstance(stages, dict):
        raise InputError(f"{name}: found no stages, wanted what `dvc repro` writes")
    missing = [stage for stage in wanted if not isinstance(stages.get(stage), dict)]
    if missing:
        raise InputError(f"{name}: no entry of {', '.join(missing)}: run dvc repro and commit dvc.lock")
    return {stage: _stage(entry, f"{name}: {stage}") for stage, entry in stages.items()}


def ordered(*locks: Lock) -> list[str]:
    """Return the names of all stages, each after those whose outputs it reads; else STAGES first, others by name."""
    left = sorted({name for lock in locks for name in lock}, key=rank)
    entries = {name: [lock[name] for lock in locks if name in lock] for name in left}
    deps = {name: {path for entry in entries[name] for path in entry.deps} for name in left}
    outs = {name: {path for entry in entries[name] for path in entry.outs} for name in left}
    found: list[str] = []
    while left:
        waiting = (n for n in left if not any(_reads(deps[n], outs[other]) for other in left if other != n))
        found.append(next(waiting, left[0]))  # two locks together may go in a circle
        left.remove(found[-1])
    return found


def rank(stage: str) -> tuple[int, str]:
    """Return what sorts stages: STAGES first, others by name."""
    return (STAGES.index(stage), "") if stage in STAGES else (len(STAGES), stage)


def _reads(deps: Iterable[str], outs: Iterable[str]) -> bool:
    return any(dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/") for dep in deps for out in outs)


def outputs(lock: Lock) -> dict[str, str]:
    """Return {path: MD5} of all outputs of all stages."""
    return {path: md5 for stage in lock.values() for path, md5 in stage.outs.items()}


def params(lock: Lock) -> dict[str, str]:
    """Return {dotted key: value as JSON} of all params of all stages."""
    return {key: value for stage in lock.values() for key, value in stage.params.items()}


def _stage(entry: Mapping[str, Any], where: str) -> Stage:
    try:
        own = entry.get("params", {}).get("params.yaml", {})
        return Stage(
            deps={e["path"]: e["md5"] for e in entry.get("deps", [])},
            params={key: json.dumps(value, sort_keys=True, ensure_ascii=False) for key, value in yaml12.leaves(own)},
            outs={e["path"]: e["md5"] for e in entry.get("outs", [])},
        )
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{where}: not as `dvc repro` writes it (lock schema 2.0, MD5 digests)") from None
