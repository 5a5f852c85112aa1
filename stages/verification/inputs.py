"""Which inputs were not the same: params by key, code and data by file, packages and processor by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from stages.project.lock import Lock, ordered, params
from stages.verification.ledger.runs import COST
from stages.verification.records import Axis, Input

Files = Callable[[str], list[str]]  # path of a dependency -> the files at or below it that were changed since the lock
SECTIONS: dict[str, Axis] = {
    "data": "data processing", "tokenize": "data processing", "model": "model architecture",
    "task": "model architecture", "evaluate": "results",
}  # fmt: skip
AXES: dict[str, Axis] = {
    "download": "data processing", "preprocess": "data processing", "tokenize": "data processing",
    "finetune": "training conditions", "evaluate": "results",
}  # fmt: skip
INNER = COST | {"cores", "workers", "packages"}  # no input, or told elsewhere


def differences(reference: Lock, derived: Lock, files: Files) -> list[Input]:
    """Return the params, code and data of which the derivation read other values than dvc.lock says."""
    old, new = params(reference), params(derived)
    found = [
        Input(kind="param", name=key, reference=old.get(key), derived=new.get(key), axis=axis_of_param(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    seen: set[str] = set()
    order = ordered(reference, derived)
    for stage in order:
        for item in _deps(stage, axis_of_stage(stage, order), reference, derived, files):
            if item.name not in seen:
                seen.add(item.name)
                found.append(item)
    return found


def _deps(stage: str, axis: Axis, reference: Lock, derived: Lock, files: Files) -> Iterator[Input]:
    old, new = (lock[stage].deps if stage in lock else {} for lock in (reference, derived))
    written = {path for lock in (reference, derived) for entry in lock.values() for path in entry.outs}
    for path in sorted(old.keys() | new.keys()):
        made = any(path == out or path.startswith(out + "/") for out in written)
        if old.get(path) == new.get(path) or made:
            continue
        kind: Literal["code", "data"] = "code" if path.startswith("stages/") or path.endswith(".lock") else "data"
        for name in files(path) or [path]:
            same = name == path
            yield Input(
                kind=kind, name=name, axis=axis,
                reference=old.get(path) if same else f"{path} {old.get(path)}",
                derived=new.get(path) if same else f"{path} {new.get(path)}",
            )  # fmt: skip


def axis_of_stage(stage: str, order: Sequence[str]) -> Axis:
    """Return the axis of a stage; one of the project's own lies on that of the next that is known."""
    return next((AXES[name] for name in order[order.index(stage) :] if name in AXES), "results")


def axis_of_param(key: str) -> Axis:
    """Return the axis on which a param lies: `seed_streams.split` makes data, every other seed trains."""
    if key == "seed_streams.split":
        return "data processing"
    return SECTIONS.get(key.partition(".")[0], "training conditions")


def environments(reference: Mapping[str, Any], derived: Mapping[str, Any]) -> list[Input]:
    """Return how two records of metrics/environment.json's `finetune` differ: packages, processor, Python."""
    if not reference or not derived:
        return []
    old, new = reference.get("packages", {}), derived.get("packages", {})
    return _unlike("package", old, new, old.keys() | new.keys()) + _unlike(
        "environment", reference, derived, (reference.keys() | derived.keys()) - INNER
    )


def _unlike(
    kind: Literal["package", "environment"], old: Mapping[str, Any], new: Mapping[str, Any], names: Iterable[str]
) -> list[Input]:
    return [
        Input(
            kind=kind,
            name=name,
            reference=_plain(old.get(name)),
            derived=_plain(new.get(name)),
            axis="training conditions",
        )
        for name in sorted(names)
        if old.get(name) != new.get(name)
    ]


def _plain(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value, sort_keys=True)
