"""Where two runs part: the first step that differs, by their traces, and the first tensor, by what they saved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.core.errors import InputError
from stages.repro.digests import of_bytes
from stages.verification.states import StateDifference, compare_states

COLUMNS = ("step", "loss", "grad_norm", "gradient", "chain")  # of metrics/finetune/trace.tsv
CHAIN_SHOWN = 32  # digits of the chain's SHA-256 that a line holds


@dataclass(frozen=True)
class Parting:
    """The first step at which two traces are not the same."""

    step: int
    a: Mapping[str, str] | None  # column -> cell; None when this trace ends before the step
    b: Mapping[str, str] | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of loss, grad_norm and gradient that differ; none when one trace ends."""
        a, b = self.a, self.b
        return () if a is None or b is None else tuple(c for c in COLUMNS[1:-1] if a[c] != b[c])


@dataclass(frozen=True)
class Run:
    """What there is of a run."""

    path: Path
    trace: Path | None = None
    checkpoints: Mapping[int, Path] = field(default_factory=dict)  # step -> folder
    model: Path | None = None  # the weights' file of a finished run
    digest: str | None = None  # of all that determines it, as far as the scratch folder's name tells it


@dataclass(frozen=True)
class Divergence:
    """How two runs compare. All None: they are equal in all that was compared."""

    steps: int | None  # in both traces; None when there were not two traces
    parting: Parting | None
    compared: tuple[int, ...]  # steps of which both have a checkpoint
    state: tuple[int, StateDifference] | None  # the first of those steps at which the states differ
    models: bool  # whether there were two models
    model: StateDifference | None
    digests: tuple[str, str] | None  # of what determines the runs, where both are known and differ

    @property
    def equal(self) -> bool:
        """Whether nothing that was computed differs."""
        return self.parting is None and self.state is None and self.model is None


def read_trace(path: Path) -> list[dict[str, str]]:
    """Return the lines of a trace as column -> cell, after deriving its hash chain again.

    Raises InputError that names the first line that is not as it was written.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: damaged: not UTF-8") from None
    if not lines or lines[0] != "\t".join(COLUMNS) + "\n":
        raise InputError(f"{path}: not a trace: wanted a first line of {', '.join(COLUMNS)}, separated by tabs")
    found, chain = [], ""
    for number, line in enumerate(lines[1:], 2):
        cells = line.removesuffix("\n").split("\t")
        if not line.endswith("\n") or len(cells) != len(COLUMNS) or cells[0] != str(number - 1):
            raise InputError(f"{path}: line {number}: damaged: wanted step {number - 1} in {len(COLUMNS)} cells")
        chain = of_bytes((chain + "\t".join(cells[:-1]) + "\n").encode())
        if cells[-1] != chain[:CHAIN_SHOWN]:
            raise InputError(
                f"{path}: line {number}: the hash chain breaks here: found {cells[-1][:12]}…, wanted {chain[:12]}…: "
                "this line was altered, or a line before it is missing"
            )
        found.append(dict(zip(COLUMNS, cells, strict=True)))
    return found


def compare_traces(a: Sequence[Mapping[str, str]], b: Sequence[Mapping[str, str]]) -> Parting | None:
    """Return where two traces part, or None when they are the same."""
    for step, (one, other) in enumerate(zip(a, b, strict=False), 1):
        if one != other:
            return Parting(step, one, other)
    if len(a) == len(b):
        return None
    longer, step = max(a, b, key=len), min(len(a), len(b))
    return Parting(step + 1, longer[step] if longer is a else None, longer[step] if longer is b else None)


def find_run(path: Path) -> Run:
    """Return what there is at `path`: a trace, a weights' file, or a folder with metrics/finetune, models/finetuned,
    .reprise or checkpoints `step-N` in it, or such a folder itself.

    Raises InputError when there is nothing to compare, or when several interrupted runs lie there.
    """
    if path.is_file():
        return Run(path, model=path) if path.suffix == ".safetensors" else Run(path, trace=path)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    scratch = {p.parent for p in path.glob(".reprise/*/step-*")} or {path}
    if len(scratch) > 1:
        raise InputError(
            f"{path}: several runs were interrupted here: name one of {', '.join(map(str, sorted(scratch)))}"
        )
    (holder,) = scratch
    found = Run(
        path,
        trace=_first(path / "trace.tsv", path / "metrics/finetune/trace.tsv", holder / "trace.tsv"),
        checkpoints={int(p.name[5:]): p for p in sorted((path, *holder.glob("step-*"))) if _is_checkpoint(p)},
        model=next((p for where in (path, path / "models/finetuned") for p in where.glob("*model.safetensors")), None),
        digest=holder.name if re.fullmatch("[0-9a-f]{24}", holder.name) else None,
    )
    if not (found.trace or found.checkpoints or found.model):
        raise InputError(f"{path}: found no metrics/finetune/trace.tsv, no models/finetuned and no checkpoint")
    return found


def compare_runs(a: Run, b: Run) -> Divergence:
    """Compare what both runs have. Raises InputError when that is nothing, or damaged."""
    both = sorted(a.checkpoints.keys() & b.checkpoints.keys())
    traced = a.trace is not None and b.trace is not None
    modelled = a.model is not None and b.model is not None
    if not (both or traced or modelled):
        raise InputError(f"{a.path} and {b.path}: nothing that both have: {_has(a)} in one, {_has(b)} in the other")
    traces = [read_trace(run.trace) for run in (a, b) if run.trace is not None] if traced else []
    states = ((step, compare_states(a.checkpoints[step], b.checkpoints[step])) for step in both)
    return Divergence(
        steps=min(map(len, traces), default=None),
        parting=compare_traces(*traces) if traced else None,
        compared=tuple(both),
        state=next(((step, state) for step, state in states if state is not None), None),
        models=modelled,
        model=compare_states(a.model, b.model) if a.model is not None and b.model is not None else None,
        digests=(a.digest, b.digest) if a.digest and b.digest and a.digest != b.digest else None,
    )


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _is_checkpoint(path: Path) -> bool:
    return re.fullmatch(r"step-\d+", path.name) is not None and path.is_dir()


def _has(run: Run) -> str:
    parts = {"a trace": run.trace, "checkpoints": run.checkpoints, "a model": run.model}
    steps = f" (steps {', '.join(map(str, run.checkpoints))})" if run.checkpoints else ""
    return " and ".join(name + (steps if name == "checkpoints" else "") for name, there in parts.items() if there)
