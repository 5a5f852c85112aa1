"""What the summary of the clean rows counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.cleaning.reading import Reader
from stages.cleaning.rows import Rows
from stages.interfaces import Value


def occurring(reader: Reader, rows: Mapping[str, Rows]) -> list[Value]:
    """Return the answers that occur, each once: of the training rows alone where they are classes, else of all."""
    read = [rows["train"]] if reader.target.grouped else list(rows.values())
    answers = list(reader.answers)
    return [answers[code] for code in np.unique(np.concatenate([held.answers for held in read])).tolist()]


def by_class(rows: Mapping[str, Rows], names: list[str], labels: list[str]) -> dict[str, dict[str, int]]:
    """Return the rows of each class in each split; `names` are the labels by code, `labels` those of the classes."""
    codes = [names.index(label) for label in labels]
    sizes = {split: np.bincount(held.answers, minlength=len(names)) for split, held in rows.items()}
    return {s: {label: int(size[c]) for c, label in zip(codes, labels, strict=True)} for s, size in sizes.items()}


def headline(summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of the summary that are columns of `dvc metrics show`."""
    return {
        **({"classes": len(summary["classes"]["train"])} if "classes" in summary else {}),
        **({"copied_rows": summary["copies"]["written"]} if "copies" in summary else {}),
        "dropped_rows": sum(count for reasons in summary["dropped"].values() for count in reasons.values()),
        **{f"{split}_rows": count for split, count in summary["rows"].items()},
    }
