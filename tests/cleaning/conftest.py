"""Rows from short lists of (text, label)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.cleaning.rows import Codes, Rows, Splits

Pairs = list[tuple[str, str]]


class Maker:
    """Makes splits whose texts and labels share their codes."""

    def __init__(self) -> None:
        self.texts, self.labels = Codes(), Codes()

    def rows(self, pairs: Pairs, name: str = "train.tsv") -> Rows:
        """Return the rows of a file with one header line."""
        ids = np.arange(len(pairs))
        texts = np.array([self.texts[text] for text, _ in pairs], dtype=np.int64)
        labels = np.array([self.labels[label] for _, label in pairs], dtype=np.int64)
        return Rows(Path(name), "line", ids, ids + 2, texts, labels, texts)

    def pairs(self, rows: Rows) -> Pairs:
        """Return the rows as they were given."""
        texts, labels = list(self.texts), list(self.labels)
        return [(texts[t], labels[c]) for t, c in zip(rows.examples, rows.answers, strict=True)]


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def cleaned(maker: Maker) -> Callable[..., Splits]:
    """Return a function: (training pairs, test pairs, policies) to cleaned splits."""
    from stages.cleaning.policies import clean

    def run(train: Pairs, test: Pairs = (), **policies: str) -> Splits:  # type: ignore[assignment]
        splits = Splits({"train": maker.rows(train), "test": maker.rows(list(test), "test.tsv")})
        clean(splits, **{"leakage": "drop", "conflicts": "drop", "duplicates": "drop"} | policies)
        return splits

    return run
