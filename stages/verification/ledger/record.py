"""One record: what a dvc.lock and the metrics beside it say of a run.

The triple of a run is (generator, parameters, data). All three are taken from dvc.lock, which says what each stage read
when it ran; params.yaml of the same commit may have been edited since. What cannot change the bits is left out:

- the stage `download`: it only fetches. The data are the digests of what it wrote, wherever that came from, so two
  mirrors are one; its code, its source params and the folder `inputs` are not counted;
- sizes and file counts, which the digests imply, and in what order or spelling the lock names things (1.0 is 1);
- NEUTRAL params, of which the tests show that they leave the bits alone;
- which of `seed` and `seed_streams.NAME` a stream takes its seed from: the triple holds the seed each stream had.

How many workers there were, the processor and the library versions found are environment, not triple; what
requirements.lock pins is generator.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.core import yaml12
from stages.core.errors import InputError
from stages.repro import digests
from stages.verification.ledger.history import LOCK, METRICS, Snapshot

FETCHING, TRAINING = "download", "finetune"
NEUTRAL = frozenset({"train.checkpoint_every"})  # a run that goes on from a checkpoint is the run that was never killed
ENVIRONMENT = f"{METRICS}/environment.json"
PARAMS = "params.yaml"
_HEAD = re.compile(r"schema: '2\.\d+'\nstages:\n")  # DVC's own layout, which its dumper fixes
_STAGE = re.compile(r"^  (\S.*):\n", re.MULTILINE)  # the lines at which stages begin
_KEY = re.compile(r"^(?=    [a-z])", re.MULTILINE)  # where cmd, deps, params, outs begin
_CODE = ("stages/", "requirements.lock")


@dataclass(frozen=True)
class Stage:
    """One stage's entry in a lock."""

    command: str
    deps: dict[str, str]  # path -> digest
    params: dict[str, Any]  # dotted key down to each leaf -> value
    outs: dict[str, str]  # path -> digest


@dataclass(frozen=True)
class Record:
    """What one snapshot says of a run."""

    code: dict[str, str]  # path, or `command STAGE` -> digest, or the command
    data: dict[str, str]  # path -> digest
    parameters: dict[str, Any]  # dotted key -> value, as the stages read them; fetching included
    outputs: dict[str, dict[str, str]]  # stage -> path -> digest, fetching excluded, in the order of the lock
    metrics: dict[str, float]  # file.key, of the numbers in metrics/*.json
    environment: dict[str, Any]  # what the training stage wrote down; {} when nothing is known
    triple: str  # digest of what decides the bits
    training: str  # the same for the training stage alone, and what it wrote
    faults: tuple[str, ...]  # why the lock is no record of one run; () when it is
    notes: tuple[str, ...]  # what else is wrong

    @property
    def outcome(self) -> str:
        """Return the digest of all outputs."""
        return digests.of_value(self.outputs)


def read(snapshot: Snapshot, cache: Path) -> Record:
    """Return the record of a snapshot; `cache` is DVC's folder of MD5-named objects, which may be missing.

    Raises InputError when its dvc.lock is broken.
    """
    stages = _stages(snapshot.files[LOCK], f"{snapshot.where}: {LOCK}")
    counted = {name: stage for name, stage in stages.items() if name != FETCHING}
    before = _upstream(counted, TRAINING)
    metrics, notes = _metrics(stages, snapshot.files)
    environment, broken = _json(snapshot.files.get(ENVIRONMENT, b"{}"), ENVIRONMENT)
    found = environment.get(TRAINING) if isinstance(environment, dict) else None
    missing = () if TRAINING in stages else (f"{LOCK} has no {TRAINING}",)
    return Record(
        code=_code(counted),
        data=_data(counted),
        parameters=dict(sorted(leaf for stage in stages.values() for leaf in stage.params.items())),
        outputs={name: stage.outs for name, stage in counted.items()},
        metrics=metrics,
        environment=found if isinstance(found, dict) else {},
        triple=_triple(counted),
        training=digests.of_value([_triple(before), {name: stage.outs for name, stage in before.items()}]),
        faults=(*missing, *_mixed(counted, stages, cache)),
        notes=(*notes, *broken),
    )


def _stages(text: bytes, where: str) -> dict[str, Stage]:
    try:
        tree = _pieces(text.decode()) or yaml12.values(text.decode(), where)["stages"]
        return {name: _stage(entry) for name, entry in tree.items()}
    except (InputError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise InputError(f"{where}: not as `dvc repro` writes it (is it a merge conflict?)") from None


def _pieces(text: str) -> dict[str, dict[str, Any]] | None:
    """Return {stage: entry} of a lock in DVC's own layout, None for any other.

    Key by key, for experiments share most of their locks, and YAML is slow to read.
    """
    head, *blocks = _STAGE.split(text)
    try:
        return dict(zip(blocks[::2], map(_entry, blocks[1::2]), strict=True)) if _HEAD.fullmatch(head) else None
    except (InputError, ValueError):
        return None


def _entry(block: str) -> dict[str, Any]:
    first, *pieces = _KEY.split(block)
    if first:
        raise ValueError(first)
    return {key: value for piece in pieces for key, value in _parsed(piece).items()}


@lru_cache(maxsize=4096)
def _parsed(piece: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml12.values(piece, LOCK)
    return found


def _stage(entry: Mapping[str, Any]) -> Stage:
    params: dict[str, Any] = {}
    for file, own in (entry.get("params") or {}).items():
        params |= _leaves("" if file == PARAMS else f"{file}:", own)
    deps, outs = ({e["path"]: _digest(e) for e in entry.get(kind) or ()} for kind in ("deps", "outs"))
    return Stage(str(entry["cmd"]), deps, params, outs)


def _digest(entry: Mapping[str, Any]) -> str:
    found = [entry[kind] for kind in ("md5", "etag", "checksum") if kind in entry]
    return str(found[0])


def _leaves(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _upstream(stages: Mapping[str, Stage], name: str) -> dict[str, Stage]:
    """Return the stages that `name` builds on, and itself, in the order of the lock; none when it is not there."""
    wanted, added = {name} & set(stages), True
    while added:
        deps = {dep for stage in wanted for dep in stages[stage].deps}
        more = {s for s, stage in stages.items() if any(_within(dep, out) for dep in deps for out in stage.outs)}
        added = not more <= wanted
        wanted |= more
    return {s: stage for s, stage in stages.items() if s in wanted}


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _code(stages: Mapping[str, Stage]) -> dict[str, str]:
    files = {path: digest for s in stages.values() for path, digest in s.deps.items() if path.startswith(_CODE)}
    return files | {f"command {name}": stage.command for name, stage in stages.items()}


def _data(stages: Mapping[str, Stage]) -> dict[str, str]:
    """Return the digests of what no counted stage has written: what was fetched, or came with the repository."""
    made = [out for stage in stages.values() for out in stage.outs]
    deps = {path: digest for stage in stages.values() for path, digest in stage.deps.items()}
    return {p: d for p, d in deps.items() if not p.startswith(_CODE) and not any(_within(p, out) for out in made)}


def _triple(stages: Mapping[str, Stage]) -> str:
    params = dict(leaf for stage in stages.values() for leaf in stage.params.items())
    decisive = {key: _number(value) for key, value in params.items() if key not in NEUTRAL}
    seed = decisive.pop("seed", None)
    for key, own in decisive.items():
        if key.startswith("seed_streams.") and own is None:
            decisive[key] = seed
    return digests.of_value([_code(stages), decisive, _data(stages)])


def _number(value: Any) -> Any:
    """Return `value` with whole fractions as integers: 1.0 and 1 are one number, with one spelling in JSON."""
    if isinstance(value, list):
        return [_number(item) for item in value]
    if isinstance(value, dict):
        return {key: _number(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _mixed(counted: Mapping[str, Stage], stages: Mapping[str, Stage], cache: Path) -> Iterator[str]:
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
        facts += [(name, f"param {key}", json.dumps(_number(value))) for key, value in stage.params.items()]
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


def _metrics(stages: Mapping[str, Stage], files: Mapping[str, bytes]) -> tuple[dict[str, float], list[str]]:
    """Return the numbers of the metrics files that are those of the lock, and notes on the others."""
    numbers: dict[str, float] = {}
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
            leaves = _leaves(f"{name.removesuffix('.json')}.", tree) if isinstance(tree, dict) else ()
            numbers |= {key: value for key, value in leaves if _is_number(value)}
    return dict(sorted(numbers.items())), notes


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _json(text: bytes, path: str) -> tuple[Any, list[str]]:
    try:
        return json.loads(text), []
    except (ValueError, RecursionError):
        return {}, [f"{path} is not JSON"]
