"""A teacher: a fine-tuned model whose outputs for the training rows are learnt from, computed once and kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stages.core.errors import InputError
from stages.core.files import SCRATCH, read_json, read_object
from stages.encoding import difference
from stages.learning import Head, Part, TokenRows
from stages.models import fit, load
from stages.models.building import labels_of
from stages.models.loading import config_of
from stages.repro import digests, environment
from stages.repro.workers import Group
from stages.training import checkpoint

if TYPE_CHECKING:
    from stages.learning import Ints

COMPUTING = ("core", "inference", "learning", "models", "repro", "targets")  # the rooms that an output depends on
Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Folders:
    """Where the inputs of a run lie."""

    tokens: Path
    base: Path
    teacher: Path  # holds no model, or is not there, without one


def taught(
    rows: TokenRows, head: Head, folders: Folders, group: Group, compute: Callable[[Any, TokenRows], Floats]
) -> TokenRows:  # fmt: skip
    """Return the training rows with a column `teacher`: each window's outputs (its outputs, C) by the teacher.

    `compute(model, rows)` gives those of all rows, one after another, (M, C), on every worker. They are kept in the
    scratch folder by the digest of all that they are a function of; damaged ones are computed again. Raises InputError
    for a teacher of another target, other labels or another tokenizer, and for a target that asks of a row another
    thing in each epoch.
    """
    schema = read_json(folders.tokens / "schema.json")
    _refuse_unfit(folders, head, schema)
    place = SCRATCH / "teacher" / _key(folders)[:24]
    kept = next(checkpoint.latest(place), None) if group.rank == 0 else None
    outputs: Floats | None = group.gather(None if kept is None else kept.tensors["teacher"]["outputs"].numpy())[0]
    if outputs is None:
        try:
            model: Any = load(folders.teacher, head)
            fit(model, schema, folders.teacher, {})
        except InputError as error:
            raise InputError(f"model.teacher: {error}") from None
        outputs = compute(model.to(group.device), rows)
        if group.rank == 0:
            checkpoint.save(place, 0, {"teacher": {"outputs": torch.from_numpy(outputs)}}, {})
    found = outputs
    ends = np.cumsum(head.units(rows.take(np.arange(len(rows.lengths)))))

    def take(indices: Ints) -> Part:
        starts = np.where(indices > 0, ends[indices - 1], 0)
        spans = zip(starts.tolist(), ends[indices].tolist(), strict=True)
        return {**rows.take(indices), "teacher": [found[start:end] for start, end in spans]}

    return TokenRows(rows.lengths, take, rows.pad)


def _key(folders: Folders) -> str:
    """Return the digest of all that the outputs are a function of: teacher, rows, space, code, libraries."""
    return digests.of_value(
        {
            "teacher": digests.of_folder(folders.teacher),
            "tokens": {name: digests.of_file(folders.tokens / name) for name in ("schema.json", "train.arrow")},
            "code": digests.of_code(*COMPUTING),
            "environment": {**environment.describe(), "cores": None},
        }
    )


def _refuse_unfit(folders: Folders, head: Head, schema: dict[str, Any]) -> None:
    target, folder = schema["target"]["name"], folders.teacher
    if not head.fixed:
        raise InputError(
            f"train.objective: distil asks a teacher once for each row, but the target {target} asks another thing of "
            "it in each epoch: set plain"
        )
    told = read_object(folder / "task.json") if (folder / "task.json").is_file() else {}
    theirs = told.get("target", {}).get("name", target)
    config = config_of(folder, {})
    own, kind = labels_of(config), config.problem_type
    head.configure(config)
    if theirs != target or (kind is not None and kind != config.problem_type):
        said = theirs if theirs != target else kind
        raise InputError(f"model.teacher: its target is {said}, wanted {target}, that of the data")
    if (unlike := _other(own, labels_of(config))) is not None:
        raise InputError(f"model.teacher: wanted the labels of the data in their order, but {unlike}")
    if (unlike := difference(folders.base, folder)) is not None:
        sums = [_digest(place / "tokenizer.json") for place in (folder, folders.base)]
        raise InputError(
            f"model.teacher: wanted the tokenizer.json of models/base ({sums[1]}), found another ({sums[0]}): {unlike}"
        )


def _other(found: list[str], wanted: list[str]) -> str | None:
    """Return how labels differ, None if they do not."""
    if found == wanted:
        return None
    if lacks := [name for name in wanted if name not in found]:
        return f"it does not know {lacks[0]!r}" + (f" and {len(lacks) - 1} more" if lacks[1:] else "")
    if more := [name for name in found if name not in wanted]:
        return f"it has {more[0]!r}" + (f" and {len(more) - 1} more" if more[1:] else "") + " besides"
    place = next(i for i, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other)
    return f"its label {place} is {found[place]!r}, not {wanted[place]!r}"


def _digest(path: Path) -> str:
    return f"sha256 {digests.of_file(path)[:12]}…" if path.is_file() else "not there"
