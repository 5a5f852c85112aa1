"""dvc.yaml: what each stage runs, reads and writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.params import PARAMS
from stages.repro.inputs import Inputs

GRAPH = "dvc.yaml"
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Stage:
    """What dvc.yaml says of a stage; paths are relative to its folder."""

    name: str
    command: str
    deps: tuple[str, ...]
    params: tuple[str, ...]  # dotted keys of params.yaml
    outs: tuple[str, ...]  # metrics and plots too


def stages(project: Path, params: Mapping[str, Any] | None = None) -> list[Stage]:
    """Return the stages of the project's dvc.yaml, in its order; `params` stand for those of its params.yaml.

    Raises InputError when it is missing or broken.
    """
    entries = _entries(project)
    known = _known(entries, project) if params is None else params
    return [_stage(name, entry, known) for name, entry in entries.items()]


def inputs(name: str, project: Path = Path()) -> Inputs:
    """Return what the stage `name` reads, as it is now; nothing where no dvc.yaml names it.

    Without dvc.yaml nobody records what was read, so nothing can be recorded wrongly. Raises InputError when dvc.yaml
    or params.yaml is broken.
    """
    entry = _entries(project).get(name) if (project / GRAPH).is_file() else None
    if entry is None:
        return Inputs(name, project)
    found = _stage(name, entry, _known(entry, project))
    return Inputs(name, project, found.deps, found.params)


def _entries(project: Path) -> Mapping[str, Any]:
    tree, _ = yaml12.parse(yaml12.read_text(project / GRAPH), GRAPH)
    entries = tree.get("stages", {}) if isinstance(tree, dict) else None
    if not isinstance(entries, dict):
        raise InputError(f"{GRAPH}: found no stages, wanted the sections of dvc.yaml")
    return entries


def _known(entries: Any, project: Path) -> Mapping[str, Any]:
    """Return the project's params where `entries` of dvc.yaml ask for any."""
    if "${" not in str(entries):
        return {}
    tree, _ = yaml12.parse(yaml12.read_text(project / PARAMS), str(PARAMS))
    return tree if isinstance(tree, dict) else {}


def _stage(name: str, entry: Any, params: Mapping[str, Any]) -> Stage:
    where = f"{GRAPH}: stages.{name}"
    if not isinstance(entry, dict) or not isinstance(entry.get("cmd"), str):
        raise InputError(f"{where}.cmd: not as this project writes it: wanted one command")
    outs = [path for kind in ("outs", "metrics", "plots") for path in _paths(entry, kind, where)]
    deps, keys = _texts(entry, "deps", where), _texts(entry, "params", where)
    return Stage(name, entry["cmd"], tuple(resolved(path, params, where) for path in deps), keys, tuple(outs))


def resolved(path: str, params: Mapping[str, Any], where: str = GRAPH) -> str:
    """Return `path` with each `${dotted.key}` as `params` have it, as DVC does. Raises InputError for no such key."""

    def value(found: re.Match[str]) -> str:
        held: Any = params
        for key in found[1].split("."):
            held = held.get(key) if isinstance(held, dict) else None
        if not isinstance(held, str):
            raise InputError(f"{where}: {path}: {PARAMS} has no name at {found[1]}")
        return held

    return _REFERENCE.sub(value, path)


def _texts(entry: Mapping[str, Any], kind: str, where: str) -> tuple[str, ...]:
    wanted = f"keys of {PARAMS}" if kind == "params" else "paths"
    listed = entry.get(kind, [])
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise InputError(f"{where}.{kind}: not as this project writes it: wanted a list of {wanted}")
    return tuple(listed)


def _paths(entry: Mapping[str, Any], kind: str, where: str) -> Iterator[str]:
    """Yield the paths of a list whose items are paths, or mappings of one path to its settings."""
    for item in entry.get(kind, []):
        if not isinstance(item, str | dict) or not item:
            raise InputError(f"{where}.{kind}: not as this project writes it: wanted a list of paths")
        yield item if isinstance(item, str) else str(next(iter(item)))
