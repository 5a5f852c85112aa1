"""One derivation held against the reference: inputs, outputs stage by stage, and by how much they differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.files import read_json
from stages.repro.digests import of_folder
from stages.verification import inputs, lock, numbers
from stages.verification.inputs import Files
from stages.verification.lock import STAGES, Lock
from stages.verification.records import Axis, Evidence, Input
from stages.verification.reference import Reference

TRACE = "metrics/finetune/trace.tsv"
MODEL = "models/finetuned"
PREDICTIONS = "data/predictions"
SCORES = "metrics/evaluate.json"


def compare(reference: Reference, derived: Lock, clone: Path, had: Mapping[str, Any], files: Files) -> Evidence:
    """Return all that tells the derivation in `clone`, whose dvc.lock is `derived`, from the reference."""
    differing = {}
    for stage in STAGES:
        old, new = reference.lock[stage].outs, derived[stage].outs
        paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
        if paths:
            differing[stage] = paths
    first = next(iter(differing), None)
    known = inputs.differences(reference.lock, derived, files) + inputs.environments(reference.environment, had)
    if first is None:
        return Evidence(compared=_counts(reference), inputs=known)
    detail = _detail(reference.folder, clone, differing[first])
    missing: list[str] = []
    measured = {
        "step": (TRACE, numbers.first_step),
        "weights": (f"{MODEL}/model.safetensors", numbers.weights),
        "predictions": (f"{PREDICTIONS}/test.parquet", numbers.predictions),
        "scores": (SCORES, numbers.compared),
    }
    found: dict[str, Any] = {}
    for name, (path, measure) in measured.items():
        if not (reference.folder / path).is_file():
            missing.append(f"{name}: the reference's {path} is not in this repository's cache")
            continue
        try:
            value = measure(reference.folder / path, clone / path)
        except InputError as error:
            missing.append(f"{name}: {error}")
            continue
        if value is not None:
            found[name] = value
    return Evidence(
        compared=_counts(reference), differing=differing, first_stage=first, detail=detail, inputs=known,
        axis=_axis(first, differing[first], detail, known, reference.folder, clone), not_compared=missing, **found,
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


def _axis(stage: str, paths: list[str], detail: str | None, known: list[Input], reference: Path, clone: Path) -> Axis:
    """Name the axis: a base model's weights or config are architecture, its tokenizer makes data."""
    if stage == "download" and "data/raw" not in paths:
        named = [detail] if detail else [item.name for item in known]
        return "data processing" if any("tokenizer" in name for name in named) else "model architecture"
    if stage == "finetune" and any(item.axis == "model architecture" for item in known):
        return "model architecture"
    configs = [folder / MODEL / "config.json" for folder in (reference, clone)]
    if stage == "finetune" and all(c.is_file() for c in configs) and read_json(configs[0]) != read_json(configs[1]):
        return "model architecture"
    return inputs.AXES[stage]


def read(clone: Path) -> Lock:
    """Return the dvc.lock of a clone."""
    return lock.parse((clone / "dvc.lock").read_text(encoding="utf-8"), "dvc.lock")
