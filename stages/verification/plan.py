"""What a clone would run, told before it has run: the triple by which a run that is known already is found.

Code is digested as DVC does it (MD5 of a file; of a folder, MD5 of the listing of its files), so that what is planned
here and what dvc.lock records of a run are the same triple. What is fetched has no digest before it is there; but a
source is pinned, so who was told to fetch the same fetched the same: `told` is by what the data of a run that is known
are found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.params import PARAMS
from stages.ledger import triple
from stages.ledger.record import Record
from stages.ledger.triple import CODE, FETCHING, STREAMS, Triple
from stages.project import graph
from stages.project.lock import Stage, within
from stages.repro import digests


@dataclass(frozen=True)
class Plan:
    """A run that has not been made; its seeds are still to be chosen."""

    code: dict[str, str]  # as in Triple
    parameters: dict[str, Any]  # as in Triple, seeds excluded
    data: dict[str, str]  # as in Triple, as far as it is not fetched
    wanted: frozenset[str]  # paths of the data that are fetched
    seed: int
    streams: dict[str, int | None]  # name -> the seed that params.yaml pins it to
    sources: tuple[str, ...]  # params that the stage that fetches reads, as dvc.yaml lists them,
    fetching: dict[str, Any]  # and down to each leaf with their values
    fetched: dict[str, str]  # path -> digest of what that stage reads of the repository, code excluded
    named: dict[str, str]  # path -> digest of what its params name of these

    @property
    def told(self) -> str:
        """Return the digest of all that decides what is fetched."""
        return digests.of_value([self.fetching, self.named])

    def seeds(self, seed: int, pinned: Mapping[str, int]) -> dict[str, int]:
        """Return the seed of every stream when the run's is `seed` and some streams are `pinned` besides."""
        own = {name: seed if value is None else value for name, value in self.streams.items()}
        return {**own, **pinned}

    def triple(self, seeds: Mapping[str, int], data: Mapping[str, str]) -> Triple:
        """Return the triple of a run with these `seeds` of the streams, when `data` is what is fetched."""
        streams = {f"{STREAMS}{name}": seed for name, seed in seeds.items()}
        return Triple(self.code, {**self.parameters, **streams}, {**self.data, **data})

    def fetched_by(self, record: Record) -> dict[str, str] | None:
        """Return what the run of `record` fetched; None unless that is sure to be what this one fetches."""
        keys = [f"{source}." for source in self.sources]
        told = {k: v for k, v in record.parameters.items() if f"{k}.".startswith(tuple(keys))}
        if told != self.fetching or (self.named and record.fetched != self.fetched):
            return None
        return {path: digest for path, digest in record.data.items() if path in self.wanted}


def of(clone: Path) -> Plan:
    """Return what `dvc repro` would run in a fresh clone. Raises InputError when dvc.yaml or params.yaml is broken."""
    declared = {stage.name: stage for stage in graph.stages(clone)}
    params = yaml12.parse(yaml12.read_text(clone / PARAMS), str(PARAMS))[0]
    try:
        stages = {name: _stage(stage, params, clone) for name, stage in declared.items()}
        fetching = stages.pop(FETCHING)
    except (KeyError, TypeError) as error:
        raise InputError(f"{graph.GRAPH}: not as this project writes it: {error}") from None
    found = triple.of(stages)
    streams = {
        k.removeprefix(STREAMS): v for s in stages.values() for k, v in s.params.items() if k.startswith(STREAMS)
    }
    read = {path: digest for path, digest in fetching.deps.items() if not path.startswith(CODE)}
    wanted = frozenset(path for path in found.data if any(within(path, out) for out in fetching.outs))
    return Plan(
        code=found.code,
        parameters={k: v for k, v in found.parameters.items() if not k.startswith(STREAMS)},
        data={path: digest for path, digest in found.data.items() if path not in wanted},
        wanted=wanted, seed=params["seed"], streams=streams,
        sources=declared[FETCHING].params, fetching=fetching.params,
        fetched=read, named=dict(_named(fetching.params, read, clone)),
    )  # fmt: skip


def _stage(stage: graph.Stage, params: Mapping[str, Any], clone: Path) -> Stage:
    return Stage(
        command=stage.command,
        deps={path: md5(clone / path) if (clone / path).exists() else "" for path in stage.deps},
        params=values(stage.params, params),
        outs=dict.fromkeys(stage.outs, ""),
    )


def values(keys: Iterable[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return {dotted key down to each leaf: value} of the `keys` of params.yaml, as dvc.lock holds them.

    Raises KeyError or TypeError for a key that is not there.
    """
    found: dict[str, Any] = {}
    for key in keys:
        value: Any = params
        for part in key.split("."):
            value = value[part]
        found |= yaml12.leaves({key: value})
    return found


def _named(params: Mapping[str, Any], read: Mapping[str, str], clone: Path) -> Iterator[tuple[str, str]]:
    for value in params.values():
        if isinstance(value, str) and any(within(value, path) for path in read) and (clone / value).exists():
            yield value, md5(clone / value)


def md5(path: Path) -> str:
    """Return the MD5 of a file or a folder, as DVC 3 records it."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    return _folder({p.relative_to(path).as_posix(): md5(p) for p in path.rglob("*") if p.is_file()})


def md5_of(files: Mapping[str, bytes], path: str) -> str | None:
    """Return the same for the file or folder `path` of which `files` are all there is; None when there are none."""
    digests = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    if path in digests or not digests:
        return digests.get(path)
    return _folder({name.removeprefix(f"{path}/"): digest for name, digest in digests.items()})


def _folder(files: Mapping[str, str]) -> str:
    listing = [{"md5": digest, "relpath": name} for name, digest in sorted(files.items())]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
