"""One derivation held against the reference: inputs, outputs stage by stage, and by how much they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.project import lock
from stages.project.lock import LOCK, Lock
from stages.repro.digests import of_folder
from stages.verification import inputs, numbers
from stages.verification.inputs import Files
from stages.verification.records import Axis, Evidence, Input
from stages.verification.reference import Reference

TRACE = "metrics/finetune/trace.tsv"
MODEL = "models/finetuned"
PREDICTIONS = "data/predictions"
SCORES = "metrics/evaluate.json"
MEASURED: dict[
    str, tuple[str, str, Callable[[Path, Path], Any]]
] = {  # evidence -> stage, file (an adapter's weights have a name of their own), how
    "step": ("finetune", TRACE, numbers.first_step),
    "weights": ("finetune", f"{MODEL}/*model.safetensors", numbers.weights),
    "predictions": ("evaluate", f"{PREDICTIONS}/test.parquet", numbers.predictions),
    "scores": ("evaluate", SCORES, numbers.compared),
}


def compare(reference: Reference, derived: Lock, clone: Path, had: Mapping[str, Any], files: Files) -> Evidence:
    """Return all that tells the derivation in `clone`, whose dvc.lock is `derived`, from the reference."""
    order = lock.ordered(reference.lock, derived)
    differing, lacking = {}, []
    for stage in order:
        old, new = (found[stage].outs if stage in found else {} for found in (reference.lock, derived))
        paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
        if paths:
            differing[stage] = paths
        lacking += [(stage, path) for path in paths if path not in new]
    first = next(iter(differing), None)
    known = inputs.differences(reference.lock, derived, files) + inputs.environments(reference.environment, had)
    if first is None:
        return Evidence(compared=_counts(reference), inputs=known)
    detail = _detail(reference.folder, clone, differing[first])
    missing: list[str] = []
    found: dict[str, Any] = {}
    for name, (stage, pattern, measure) in MEASURED.items():
        path = next((p.relative_to(reference.folder).as_posix() for p in reference.folder.glob(pattern)), pattern)
        if not (reference.folder / path).is_file():
            missing.append(f"{name}: the reference's {path} is not in this repository's cache")
            continue
        if not (clone / path).is_file():
            missing.append(f"{name}: the derivation wrote no {path}")
            lacking.append((stage, path))
            continue
        try:
            value = measure(reference.folder / path, clone / path)
        except (InputError, OSError, ValueError, LookupError, SafetensorError) as error:  # of a damaged file
            missing.append(f"{name}: {error}")
            continue
        if value is not None:
            found[name] = value
    # A stage that did not write all that it wrote for the reference failed, whatever its exit code. That of the first
    # stage is told by `differing`: to Evidence, a download that failed is a network that was away.
    failed = next(((stage, f"wrote no {path}") for stage, path in lacking if stage != "download"), (None, None))
    return Evidence(
        failed_stage=failed[0], message=failed[1], compared=_counts(reference), differing=differing,
        first_stage=first, detail=detail, inputs=known, not_compared=missing,
        axis=_axis(first, order, differing[first], detail, known, reference.folder, clone), **found,
    )  # fmt: skip


def _counts(reference: Reference) -> dict[str, int]:
    return {stage: len(entry.outs) for stage, entry in reference.lock.items()}


def _detail(reference: Path, clone: Path, paths: list[str]) -> str | None:
    """Return the first file that differs within the outputs `paths`; None when the reference's are not here."""
    for path in paths:
        if (reference / path).is_file():
            return path
        if (reference / path).is_dir():
            old, new = of_folder(reference / path), of_folder(clone / path)
            name = next((n for n in sorted(old.keys() | new.keys()) if old.get(n) != new.get(n)), None)
            if name is not None:
                return f"{path}/{name}"
    return None


def _axis(
    stage: str, order: list[str], paths: list[str], detail: str | None, known: list[Input], reference: Path, clone: Path
) -> Axis:
    """Name the axis: a base model's weights or config are architecture, its tokenizer makes data."""
    if stage == "download" and "data/raw" not in paths:
        named = [detail] if detail else [item.name for item in known]
        return "data processing" if any("tokenizer" in name for name in named) else "model architecture"
    if stage == "finetune" and any(item.axis == "model architecture" for item in known):
        return "model architecture"
    configs = [folder / MODEL / "config.json" for folder in (reference, clone)]
    if stage == "finetune" and all(c.is_file() for c in configs) and read_json(configs[0]) != read_json(configs[1]):
        return "model architecture"
    return inputs.axis_of_stage(stage, order)


def read(clone: Path) -> Lock:
    """Return the dvc.lock of a clone, with no stage but those that ran there (see derivation.prepare)."""
    path = clone / LOCK
    return lock.parse(path.read_bytes(), LOCK, wanted=()) if path.is_file() else {}
