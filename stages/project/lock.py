"""dvc.lock: which command each stage ran, what it read, under which params, and what it wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from stages.core import yaml12
from stages.core.errors import InputError
from stages.core.params import PARAMS

LOCK = "dvc.lock"
STAGES = ("download", "preprocess", "tokenize", "finetune", "evaluate")
SCHEMA = "2.0"
Key = TypeVar("Key")
Fact = tuple[str, str, str]  # `deps`, `outs` or ``, path or ``, key: what dvc.lock states besides digests and params
_HEAD = re.compile(rf"schema: '{re.escape(SCHEMA)}'\nstages:\n")  # DVC's own layout, which its dumper fixes
_STAGE = re.compile(r"^  (\S.*):\n", re.MULTILINE)  # the lines at which stages begin
_KEY = re.compile(r"^(?=    [a-z])", re.MULTILINE)  # where cmd, deps, params, outs begin


@dataclass(frozen=True)
class Stage:
    """One stage's entry."""

    command: str
    deps: dict[str, str]  # path -> MD5, that of a folder ends in .dir; of what lies elsewhere also an etag or checksum
    params: dict[str, Any]  # dotted key down to each leaf -> value; FILE:KEY for another file than params.yaml
    outs: dict[str, str]  # path -> MD5
    facts: dict[Fact, Any] = field(default_factory=dict)  # sizes, numbers of files, kinds of hash, and whatever else


Lock = dict[str, Stage]


def parse(content: bytes | str, name: str, wanted: Iterable[str] = STAGES) -> Lock:
    """Return all stages of a dvc.lock. Raises InputError that names the file when it is none or lacks one `wanted`."""
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        raise _strange(name) from None
    tree = _pieces(text) or _whole(text, name)
    missing = [stage for stage in wanted if not isinstance(tree.get(stage), dict)]
    if missing:
        raise InputError(f"{name}: no entry of {', '.join(missing)}: run dvc repro and commit dvc.lock")
    return {stage: _stage(entry, f"{name}: {stage}") for stage, entry in tree.items()}


def ordered(*locks: Lock) -> list[str]:
    """Return the names of all stages, each after those whose outputs it reads; else STAGES first, others by name."""
    left = sorted({name for lock in locks for name in lock}, key=rank)
    entries = {name: [lock[name] for lock in locks if name in lock] for name in left}
    deps = {name: {path for entry in entries[name] for path in entry.deps} for name in left}
    outs = {name: {path for entry in entries[name] for path in entry.outs} for name in left}
    found: list[str] = []
    while left:
        waiting = (n for n in left if not any(reads(deps[n], outs[other]) for other in left if other != n))
        found.append(next(waiting, left[0]))  # two locks together may go in a circle
        left.remove(found[-1])
    return found


def rank(stage: str) -> tuple[int, str]:
    """Return what sorts stages: STAGES first, others by name."""
    return (STAGES.index(stage), "") if stage in STAGES else (len(STAGES), stage)


def reads(deps: Iterable[str], outs: Iterable[str]) -> bool:
    """Tell whether one of the paths `deps` is, holds or lies in one of the paths `outs`."""
    return any(within(dep, out) or within(out, dep) for dep in deps for out in outs)


def within(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` or lies below it."""
    return path == folder or path.startswith(f"{folder}/")


def outputs(lock: Lock) -> dict[str, str]:
    """Return {path: MD5} of all outputs of all stages."""
    return {path: md5 for stage in lock.values() for path, md5 in stage.outs.items()}


def params(lock: Lock) -> dict[str, str]:
    """Return {dotted key: value as JSON} of all params of all stages."""
    return {key: as_json(value) for stage in lock.values() for key, value in stage.params.items()}


def as_json(value: Any) -> str:
    """Return a value of the lock as text in which 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _whole(text: str, name: str) -> dict[str, Any]:
    try:
        tree = yaml12.values(text, name)
        stages = dict(tree["stages"])
    except (InputError, TypeError, KeyError, ValueError):
        raise _strange(name) from None
    if tree.keys() != {"schema", "stages"} or tree["schema"] != SCHEMA:
        more = ", ".join([*(tree.keys() - {"schema", "stages"}), f"schema {tree.get('schema')!r}"])
        raise InputError(f"{name}: found {more}, wanted schema {SCHEMA!r} and stages alone, as `dvc repro` writes them")
    return stages


def _pieces(text: str) -> dict[str, Any] | None:
    """Return {stage: entry} of a lock in DVC's own layout, None for any other.

    Key by key, for experiments share most of their locks, and YAML is slow to read.
    """
    head, *blocks = _STAGE.split(text)
    try:
        return _once(zip(blocks[::2], map(_entry, blocks[1::2]), strict=True), LOCK) if _HEAD.fullmatch(head) else None
    except (InputError, ValueError):
        return None


def _entry(block: str) -> dict[str, Any]:
    first, *pieces = _KEY.split(block)
    if first:
        raise ValueError(first)
    return _once((item for piece in pieces for item in _parsed(piece).items()), LOCK)


@lru_cache(maxsize=4096)
def _parsed(piece: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml12.values(piece, LOCK)
    return found


def _stage(entry: Mapping[str, Any], where: str) -> Stage:
    try:
        return Stage(
            command=str(entry["cmd"]),
            deps=_once(((str(one["path"]), _digest(one)) for one in entry.get("deps") or ()), f"{where}: deps"),
            params=_once(_params(entry), f"{where}: params"),
            outs=_once(((str(one["path"]), str(one["md5"])) for one in entry.get("outs") or ()), f"{where}: outs"),
            facts=dict(_facts(entry)),
        )
    except (KeyError, StopIteration, TypeError, AttributeError, RuntimeError):  # RuntimeError: a generator's end
        raise _strange(where) from None


def _params(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for file, own in (entry.get("params") or {}).items():
        yield from yaml12.leaves(own, "" if file == str(PARAMS) else f"{file}:")


def _facts(entry: Mapping[str, Any]) -> Iterator[tuple[Fact, Any]]:
    for key, value in entry.items():
        if key in ("deps", "outs"):
            for one in value or ():
                yield from (
                    (((key, one["path"], name), own)) for name, own in one.items() if name not in ("path", "md5")
                )
        elif key not in ("cmd", "params"):
            yield ("", "", key), value


def _once(pairs: Iterable[tuple[Key, Any]], where: str) -> dict[Key, Any]:
    """Return the pairs as a dict. Raises InputError for a key that stands twice: one of the two would go unread."""
    found: dict[Key, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InputError(f"{where}: {key} stands twice")
        found[key] = value
    return found


def _strange(where: str) -> InputError:
    return InputError(
        f"{where}: not as `dvc repro` writes it (lock schema {SCHEMA}, MD5 digests): is it a merge conflict?"
    )


def _digest(entry: Mapping[str, Any]) -> str:
    return str(next(entry[kind] for kind in ("md5", "etag", "checksum") if kind in entry))
