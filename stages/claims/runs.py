"""Runs that were really made, one by one, and the file that keeps them for whoever clones the repository.

In the file (metrics/claims.json and its like) code, parameters and data stand once, under their digests, for most runs
share them. It is read strictly: a digest that is not that of what stands under it, or beside it, is an error. That
finds slips, not forgery: who wants more than the word of who kept the runs makes them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.core.params import Section
from stages.ledger.triple import STREAMS, Triple
from stages.repro.digests import of_value

ENVIRONMENT = ("processor", "python", "torch")


@dataclass(frozen=True)
class Run:
    """One run and how it came out. A crash is an outcome."""

    recipe: str | None
    seeds: dict[str, int]  # of every stream
    code: dict[str, str]  # as in Triple
    parameters: dict[str, Any]  # as in Triple, seeds excluded
    data: dict[str, str]  # as in Triple
    told: str  # see Plan
    outcome: str | None  # digest of all outputs; None: it failed
    scores: dict[str, float | None]  # at the top of metrics/evaluate.json; None: undefined
    failure: str | None  # the stage and what it said
    environment: dict[str, str]  # ENVIRONMENT, as far as is known

    @property
    def triple(self) -> str:
        """Return the digest of the triple."""
        return Triple(
            self.code, {**self.parameters, **{f"{STREAMS}{k}": v for k, v in self.seeds.items()}}, self.data
        ).digest

    @property
    def name(self) -> str:
        """Return what to call it: `seed 3`, or all seeds when streams have seeds of their own."""
        own = set(self.seeds.values())
        return f"seed {own.pop()}" if len(own) == 1 else ", ".join(f"{k} {v}" for k, v in sorted(self.seeds.items()))


class _Entry(Section):
    recipe: str | None
    seeds: dict[str, int]
    code: str
    parameters: str
    data: str
    told: str
    outcome: str | None
    scores: dict[str, float | None]
    failure: str | None
    environment: dict[str, str]
    digest: str = Field(description="of all above")


FIELDS = tuple(name for name in _Entry.model_fields if name != "digest")


class Kept(Section):
    """The file's content."""

    code: dict[str, dict[str, str]] = Field(description="digest -> path, or `command STAGE` -> digest, or the command")
    parameters: dict[str, dict[str, Any]] = Field(description="digest -> dotted key -> value, seeds excluded")
    data: dict[str, dict[str, str]] = Field(description="digest -> path -> MD5 of what was fetched")
    runs: list[_Entry]


def kept(runs: Iterable[Run]) -> dict[str, Any]:
    """Return `runs` as plain values, those of one recipe together, by seeds."""
    tables: dict[str, dict[str, Any]] = {"code": {}, "parameters": {}, "data": {}}
    entries = []
    for run in sorted(runs, key=lambda run: (run.recipe or "", sorted(run.seeds.items()))):
        entry = {name: getattr(run, name) for name in FIELDS}
        for part, table in tables.items():
            entry[part] = of_value(entry[part])
            table[entry[part]] = getattr(run, part)
        entries.append({**entry, "digest": of_value(entry)})
    return {**tables, "runs": entries}


def load(path: Path, key: str | None = None) -> list[Run]:
    """Return the runs that the file at `path` keeps (below `key`, if given); none when there is no file.

    Raises InputError when it is damaged.
    """
    if not path.is_file():
        return []
    tree = read_json(path)
    if key is not None:
        tree = tree.get(key) if isinstance(tree, dict) else None
    try:
        found = Kept.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}: not as the command wrote it") from None
    for part in ("code", "parameters", "data"):
        for digest, content in getattr(found, part).items():
            if of_value(content) != digest:
                raise InputError(f"{path}: {part}.{digest}: not the digest of what stands there: it was edited")
    return [_run(entry, found, path) for entry in found.runs]


def _run(entry: _Entry, found: Kept, path: Path) -> Run:
    fields = {name: getattr(entry, name) for name in FIELDS}
    whole = of_value(fields) == entry.digest
    for part in ("code", "parameters", "data"):
        table = getattr(found, part)
        if fields[part] not in table:
            raise InputError(f"{path}: runs: {part} {fields[part]} is not in the file")
        fields[part] = table[fields[part]]
    if (entry.outcome is None) != (entry.failure is not None):
        raise InputError(f"{path}: runs: one that failed has an outcome, or one that did not has none")
    if not whole:
        raise InputError(f"{path}: runs: {entry.recipe}, seeds {entry.seeds}: not as its digest says: it was edited")
    return Run(**fields)


def environment(had: Mapping[str, Any]) -> dict[str, str]:
    """Return the short form of what metrics/environment.json says of a training."""
    flat = {**had, **had.get("packages", {})}
    return {name: str(flat[name]) for name in ENVIRONMENT if name in flat}


def unlike(run: Run, code: Mapping[str, str], parameters: Mapping[str, Any], data: Mapping[str, str]) -> list[str]:
    """Return which code, parameters and data of `run` are not these; [] when its seeds alone can differ."""
    found = []
    for old, new in ((run.code, code), (run.parameters, parameters), (run.data, data)):
        found += [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return found
