"""Which inputs were not the same: params by key, code and data by file, packages and processor by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from stages.ledger.runs import COST
from stages.project.lock import Lock, Stage, as_json, ordered, outputs, reads
from stages.verification.records import Axis, Input

Key = TypeVar("Key")
Files = Callable[[str], list[str]]  # path of a dependency -> the files at or below it that were changed since the lock
SECTIONS: dict[str, Axis] = {
    "data": "data processing", "augmentation": "data processing", "tokenize": "data processing",
    "model": "model architecture", "task": "model architecture", "evaluate": "results",
}  # fmt: skip
AXES: dict[str, Axis] = {
    "download": "data processing", "preprocess": "data processing", "tokenize": "data processing",
    "finetune": "training conditions", "evaluate": "results",
}  # fmt: skip
NOTHING = Stage("", {}, {}, {})
INNER = COST | {"confinement", "cores", "workers", "packages", "settings"}  # no input, or told elsewhere


def differences(reference: Lock, derived: Lock, files: Files) -> list[Input]:
    """Return what dvc.lock states that the derivation did not run, read or record so: each once, params first.

    An output that came out otherwise is no input that differs, nor is what read it: but the reference itself must say
    of such a dependency what it says of the output.
    """
    order = ordered(reference, derived)
    found: dict[tuple[str, str], Input] = {}
    for part in (_params, _commands, _deps, _facts):
        for stage in order:
            for item in part(_Sides(stage, axis_of_stage(stage, order), reference, derived, files)):
                found.setdefault((item.kind, item.name), item)
    return list(found.values())


@dataclass(frozen=True)
class _Sides:
    """One stage in both locks."""

    stage: str
    axis: Axis
    reference: Lock
    derived: Lock
    files: Files

    @property
    def old(self) -> Stage:
        return self.reference.get(self.stage, NOTHING)

    @property
    def new(self) -> Stage:
        return self.derived.get(self.stage, NOTHING)

    def remade(self, path: str) -> bool:
        """Tell whether `path` is, holds or lies in an output that came out otherwise."""
        old, new = outputs(self.reference), outputs(self.derived)
        return any(reads([path], [out]) for out in old.keys() | new.keys() if old.get(out) != new.get(out))


def _params(sides: _Sides) -> Iterator[Input]:
    old, new = (_plain_values(stage.params) for stage in (sides.old, sides.new))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            axis = axis_of_param(key)
            yield Input(kind="param", name=key, reference=old.get(key), derived=new.get(key), axis=axis)


def _commands(sides: _Sides) -> Iterator[Input]:
    old, new = (lock[sides.stage].command if sides.stage in lock else None for lock in (sides.reference, sides.derived))
    if old != new:
        yield Input(kind="command", name=f"{sides.stage}.cmd", reference=old, derived=new, axis=sides.axis)


def _deps(sides: _Sides) -> Iterator[Input]:
    for path in sorted(sides.old.deps.keys() | sides.new.deps.keys()):
        old, new = sides.old.deps.get(path), sides.new.deps.get(path)
        if old is not None and new is not None and sides.remade(path):
            new = outputs(sides.reference).get(path, old)
        if old == new:
            continue
        kind: Literal["code", "data"] = "code" if path.startswith("stages/") or path.endswith(".lock") else "data"
        for name in sides.files(path) or [path]:
            same = name == path
            yield Input(
                kind=kind, name=name, axis=sides.axis,
                reference=old if same else f"{path} {old}", derived=new if same else f"{path} {new}",
            )  # fmt: skip


def _facts(sides: _Sides) -> Iterator[Input]:
    """Yield outputs of one side alone, sizes, numbers of files, kinds of hash and whatever else stands in dvc.lock."""
    old, new = sides.old, sides.new
    for path in sorted(old.outs.keys() ^ new.outs.keys()):
        name = f"{sides.stage}.outs.{path}"
        yield Input(kind="lock", name=name, reference=old.outs.get(path), derived=new.outs.get(path), axis=sides.axis)
    stated = {fact: value for entry in sides.reference.values() for fact, value in _plain_values(entry.facts).items()}
    were, are = _plain_values(old.facts), _plain_values(new.facts)
    for fact in sorted(were.keys() | are.keys()):
        kind, path, key = fact
        was, now = were.get(fact), are.get(fact)
        if kind and getattr(old, kind).get(path) != getattr(new, kind).get(path):  # the digest is named, or measured
            now = stated.get(("outs", path, key), was) if kind == "deps" else was
        if was != now:
            name = ".".join(part for part in (sides.stage, *fact) if part)
            yield Input(kind="lock", name=name, reference=was, derived=now, axis=sides.axis)


def _plain_values(values: Mapping[Key, Any]) -> dict[Key, str]:
    return {key: as_json(value) for key, value in values.items()}


def axis_of_stage(stage: str, order: Sequence[str]) -> Axis:
    """Return the axis of a stage; one of the project's own lies on that of the next that is known."""
    return next((AXES[name] for name in order[order.index(stage) :] if name in AXES), "results")


def axis_of_param(key: str) -> Axis:
    """Return the axis on which a param lies: the seeds of splits and copies make data, every other seed trains."""
    if key in ("seed_streams.split", "seed_streams.augment"):
        return "data processing"
    return SECTIONS.get(key.partition(".")[0], "training conditions")


def environments(reference: Mapping[str, Any], derived: Mapping[str, Any]) -> list[Input]:
    """Return how two records of metrics/environment.json's `finetune` differ: packages, processor, settings."""
    if not reference or not derived:
        return []
    (old, old_shell), (new, new_shell) = (
        (side.get("packages", {}), side.get("settings", {})) for side in (reference, derived)
    )
    return [
        *_unlike("package", old, new, old.keys() | new.keys()),
        *_unlike("environment", reference, derived, (reference.keys() | derived.keys()) - INNER),
        *_unlike("environment", old_shell, new_shell, old_shell.keys() | new_shell.keys() if old_shell else ()),
    ]


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
