"""Splits and samples drawn from the seed's stream `split`: no draw depends on how many others are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from stages.cleaning.rows import Mask, Numbers, Rows, Splits
from stages.core.errors import InputError, nearest
from stages.repro.streams import Streams

Stratify = bool | Literal["lenient"]
_TEST, _VALIDATION, _PER_CLASS, _LIMIT = range(4)  # first index of a draw in stream `split`
_SPLITS = {"test": _TEST, "validation": _VALIDATION}


def cut(splits: Splits, split: str, fraction: float, stratify: Stratify, streams: Streams) -> None:
    """Move a share of the training rows to `split` ("test" or "validation").

    With `stratify` the classes keep their shares and each keeps a training row; see `shares`. Raises InputError when
    that share is no row, or leaves too few.
    """
    train = splits.rows["train"]
    count = int(fraction * len(train) + 0.5)
    most = len(train) - (len(np.unique(train.answers)) if stratify else 1)
    if not 1 <= count <= most:
        raise InputError(
            f"data.{split}_fraction: {fraction} of the {len(train)} rows left in {train.path} is {count}, wanted "
            f"1 to {most}" + (", so that every class keeps a training row" if stratify else "")
        )
    generator = streams.generator("split", _SPLITS[split])
    drawn = _stratified(train.answers, count, generator) if stratify else _uniform(len(train), count, generator)
    splits.rows |= {split: train.take(drawn), "train": train.take(~drawn)}


def _uniform(rows: int, count: int, generator: np.random.Generator) -> Mask:
    mask = np.zeros(rows, dtype=bool)
    mask[generator.permutation(rows)[:count]] = True
    return mask


def _stratified(labels: Numbers, count: int, generator: np.random.Generator) -> Mask:
    classes, sizes = np.unique(labels, return_counts=True)
    mask = np.zeros(len(labels), dtype=bool)
    for label, share in zip(classes, shares(sizes.tolist(), count), strict=True):
        mask[generator.permutation(np.flatnonzero(labels == label))[:share]] = True
    return mask


def shares(sizes: Sequence[int], count: int) -> list[int]:
    """Return how many of `count` rows each class gives, in proportion to its size (largest remainders, Hamilton).

    No class gives its last row: what it may not give, those next in line do; the first class wins a tie. `count` is at
    most sum(sizes) - len(sizes).
    """
    rows = sum(sizes)
    given = [min(size * count // rows, size - 1) for size in sizes]
    in_line = sorted(range(len(sizes)), key=lambda c: (-(sizes[c] * count % rows), c))
    while missing := count - sum(given):
        for index in [c for c in in_line if given[c] < sizes[c] - 1][:missing]:
            given[index] += 1
    return given


def refuse_singletons(train: Rows, names: Sequence[str]) -> None:
    """Raise InputError naming a class (of `names`, by code) that only one row has."""
    classes, sizes = np.unique(train.answers, return_counts=True)
    for label in classes[sizes == 1].tolist():
        raise InputError(
            f"{train.where(train.answers == label)}: the only training row with label {names[label]!r}, too few for a "
            "stratified split; add rows, or set data.stratify to lenient (the row stays in training) or false"
        )


def refuse_unlearnable(splits: Splits, names: Sequence[str]) -> None:
    """Raise InputError when training has fewer than two labels, or another split has a label that training lacks."""
    train = splits.rows["train"]
    known = np.unique(train.answers)
    if len(known) < 2:
        held = ", ".join(repr(names[code]) for code in known) or "none"
        raise InputError(f"{train.path}: found label {held} in the training rows, wanted two labels at least")
    for split, rows in splits.rows.items():
        for code in np.setdiff1d(rows.answers, known).tolist():
            mask = rows.answers == code
            found = f"label {names[code]!r} ({int(mask.sum())} of the {len(rows)} {split} rows)"
            hint = nearest(names[code], [names[c] for c in known])
            if names[code] == "-1":
                hint = "; if it says that there is none: texts without labels are for python -m stages.predict"
            raise InputError(f"{rows.where(mask)}: {found} is in no training row{hint}")


def sample(splits: Splits, per_class: int | None, limit: int | None, streams: Streams) -> None:
    """Keep `per_class` training rows of each class (all of a class that has fewer), then `limit` rows of each split."""
    if per_class is not None:
        generator = streams.generator("split", _PER_CLASS)
        train = splits.rows["train"]
        mask = np.zeros(len(train), dtype=bool)
        for label in np.unique(train.answers):
            mask[generator.permutation(np.flatnonzero(train.answers == label))[:per_class]] = True
        splits.narrow("train", train.take(mask), "per_class")
    if limit is not None:
        for index, (split, rows) in enumerate(sorted(splits.rows.items())):
            generator = streams.generator("split", _LIMIT, index)
            splits.narrow(split, rows.take(_uniform(len(rows), limit, generator)), "limit")
