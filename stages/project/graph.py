"""dvc.yaml: what each stage runs, reads and writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.params import PARAMS
from stages.repro.inputs import Inputs

GRAPH = "dvc.yaml"


@dataclass(frozen=True)
class Stage:
    """What dvc.yaml says of a stage; paths are relative to its folder."""

    name: str
    command: str
    deps: tuple[str, ...]
    params: tuple[str, ...]  # dotted keys of params.yaml
    outs: tuple[str, ...]  # metrics and plots too


def stages(project: Path) -> list[Stage]:
    """Return the stages of the project's dvc.yaml, in its order. Raises InputError when it is missing or broken."""
    return [_stage(name, entry) for name, entry in _entries(project).items()]


def inputs(name: str, project: Path = Path()) -> Inputs:
    """Return what the stage `name` reads, as it is now; nothing where no dvc.yaml names it.

    Without dvc.yaml nobody records what was read, so nothing can be recorded wrongly. Raises InputError when dvc.yaml
    or params.yaml is broken.
    """
    entry = _entries(project).get(name) if (project / GRAPH).is_file() else None
    if entry is None:
        return Inputs(name, project)
    found = _stage(name, entry)
    return Inputs(name, project, found.deps, found.params)


def _entries(project: Path) -> Mapping[str, Any]:
    tree, _ = yaml12.parse(yaml12.read_text(project / GRAPH), GRAPH)
    entries = tree.get("stages", {}) if isinstance(tree, dict) else None
    if not isinstance(entries, dict):
        raise InputError(f"{GRAPH}: found no stages, wanted the sections of dvc.yaml")
    return entries


def _stage(name: str, entry: Any) -> Stage:
    where = f"{GRAPH}: stages.{name}"
    if not isinstance(entry, dict) or not isinstance(entry.get("cmd"), str):
        raise InputError(f"{where}.cmd: not as this project writes it: wanted one command")
    outs = [path for kind in ("outs", "metrics", "plots") for path in _paths(entry, kind, where)]
    deps, params = _texts(entry, "deps", where), _texts(entry, "params", where)
    return Stage(name, entry["cmd"], deps, params, tuple(outs))


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
