"""One run as the report tells it: what params.yaml, dvc.lock, metrics/ and data/predictions/ say of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.core import yaml12
from stages.core.errors import InputError
from stages.reporting.tables import (
    CURVES,
    SCORED,
    TRACE,
    TRACE_SHAPE,
    WORST,
    WORST_SHAPE,
    Table,
    form,
    parse,
    shape_of,
)  # fmt: skip


class Metrics(BaseModel):
    """A metrics file: what the report names of it is checked, what else it holds is kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Data(Metrics):
    """metrics/data.json."""

    train_rows: int
    validation_rows: int
    test_rows: int
    classes: int | None = None
    dropped_rows: int


class Summary(Metrics):
    """data/clean/summary.json."""

    dropped: dict[str, dict[str, int]]  # split -> reason -> rows


class Training(Metrics):
    """metrics/finetune.json."""

    steps: int
    best_step: int
    best_epoch: float
    parameters: int
    learning_parameters: int
    tokens: int


class Scores(Metrics):
    """metrics/evaluate.json; the scores of the whole test split are what else it holds."""

    intervals: dict[str, tuple[float, float]]  # 95 %
    notes: list[str]
    metrics: list[tuple[str, str, float | None, float | None]]  # name, better, margin, worst: the main one first

    def flat(self) -> dict[str, float | None]:
        """Return {score: value} of the whole test split, by name; null where it is not defined."""
        extra = self.model_extra or {}
        return {name: extra[name] for name in sorted(extra) if isinstance(extra[name], int | float | None)}


class Environment(Metrics):
    """The entry `finetune` of metrics/environment.json."""

    packages: dict[str, str]


class Environments(Metrics):
    """metrics/environment.json, which is no output of a stage: a run can be without it."""

    finetune: Environment | None = None


@dataclass(frozen=True)
class Locked:
    """What dvc.lock records of a run."""

    params: Mapping[str, str]  # dotted key -> value as JSON
    read: Mapping[str, Mapping[str, str]]  # stage -> path -> MD5
    written: Mapping[str, Mapping[str, str]]
    digest: str  # SHA-256 of dvc.lock itself


@dataclass(frozen=True)
class Run:
    """All that the page tells."""

    locked: Locked
    data: Data
    training: Training
    scores: Scores
    environment: Environment | None
    plots: Mapping[str, Table]  # by path
    trace: str  # the last link of the chain over all steps
    summary: Summary | None  # of the data; None with `worst`
    worst: Table | None  # None: left out on demand
    notices: tuple[str, ...]  # where the files are not those of one run


METRICS = ("metrics/data.json", "metrics/finetune.json", "metrics/evaluate.json")
ENVIRONMENT = "metrics/environment.json"
SUMMARY = "data/clean/summary.json"
Kind = TypeVar("Kind", bound=Metrics)


def read(root: Path, locked: Locked, texts: bool) -> Run:
    """Return the run whose files lie in the folder `root`; what lies in data/ is read when `texts`.

    Raises InputError that names every file that is missing, or the first that is not as the stages write it.
    """
    found = [path.relative_to(root).as_posix() for path in root.glob(f"{SCORED}/*/*.tsv")]
    plots = [*CURVES, *sorted(filter(form, found))]
    needed = ["params.yaml", *METRICS, *plots, TRACE, *([SUMMARY, WORST] if texts else [])]
    if missing := [name for name in needed if not (root / name).is_file()]:
        raise InputError(
            f"{', '.join(missing)}: no such file: run dvc repro, or dvc pull for what others have computed"
        )
    contents = {name: yaml12.read_text(root / name) for name in needed}
    environment = root / ENVIRONMENT
    known = yaml12.read_text(environment) if environment.is_file() else "{}"
    return Run(
        locked=locked,
        data=_metrics(Data, contents["metrics/data.json"], "metrics/data.json"),
        training=_metrics(Training, contents["metrics/finetune.json"], "metrics/finetune.json"),
        scores=_metrics(Scores, contents["metrics/evaluate.json"], "metrics/evaluate.json"),
        environment=_metrics(Environments, known, ENVIRONMENT).finetune,
        plots={name: parse(contents[name], name, shape_of(name)) for name in plots},
        trace=(parse(contents[TRACE], TRACE, TRACE_SHAPE)["chain"] or [""])[-1],
        summary=_metrics(Summary, contents[SUMMARY], SUMMARY) if texts else None,
        worst=parse(contents[WORST], WORST, WORST_SHAPE) if texts else None,
        notices=(*_edited_params(contents["params.yaml"], locked), *_other_outputs(contents, locked)),
    )


def _metrics(kind: type[Kind], content: str, name: str) -> Kind:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{name}: {where}: {first['msg']}: run dvc repro") from None


def _edited_params(content: str, locked: Locked) -> Iterator[str]:
    """Say which params are no longer those of the run."""
    tree, _ = yaml12.parse(content, "params.yaml")
    now = {key: json.dumps(value, sort_keys=True, ensure_ascii=False) for key, value in yaml12.leaves(tree)}
    for key in sorted(now.keys() | locked.params.keys()):
        new, old = now.get(key, "absent"), locked.params.get(key, "absent")
        if new != old:
            yield f"params.yaml has been edited since: {key} is {new}, the run had {old}."


def _other_outputs(contents: Mapping[str, str], locked: Locked) -> Iterator[str]:
    """Say which files are not those that dvc.lock records."""
    recorded = {path: md5 for paths in locked.written.values() for path, md5 in paths.items()}
    for name, content in contents.items():
        if name in recorded and hashlib.md5(content.encode()).hexdigest() != recorded[name]:
            yield f"{name} is not the file that dvc.lock records."
