"""What is done with training rows that are faulty together with others: leaks, conflicts, duplicates.

A policy is `drop` (the row goes), `keep` or `error`; for conflicts also `first` and `majority`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from stages.cleaning.rows import Mask, Numbers, Rows, Splits
from stages.core.errors import InputError


def clean(splits: Splits, leakage: str, conflicts: str, duplicates: str) -> None:
    """Apply each fault's policy to the training rows: leaks first, so that a row that must go votes in no conflict.

    Raises InputError naming the first faulty row where the policy is `error`, and when no row is left.
    """
    for split in [s for s in splits.rows if s != "train"]:
        settle_leaks(splits, split, leakage)
    train = splits.rows["train"]
    mask = losing(train, conflicting(train), conflicts)
    splits.narrow("train", _settled(train, mask, conflicts, "conflicts", "its text has another label too"), "conflicts")
    train = splits.rows["train"]
    mask = repeated(train)
    splits.narrow("train", _settled(train, mask, duplicates, "duplicates", "text and label stand above"), "duplicates")
    if not len(splits.rows["train"]):
        counts = ", ".join(f"{reason} {count}" for reason, count in splits.dropped["train"].items())
        raise InputError(f"{train.path}: no row is left for training; dropped: {counts}")


def settle_leaks(splits: Splits, split: str, policy: str) -> None:
    """Apply the policy to the training rows whose text is in `split`; that split stays as it is."""
    train, other = splits.rows["train"], splits.rows[split]
    fault = f"its text is also in the {split} split ({other.path})"
    splits.narrow("train", _settled(train, shared(train, other), policy, "leakage", fault), "leakage")


def _settled(rows: Rows, faults: Mask, policy: str, key: str, fault: str) -> Rows:
    if policy == "keep" or not faults.any():
        return rows
    if policy == "error":
        count = int(faults.sum())
        others = f" ({count} such rows)" if count > 1 else ""
        raise InputError(f"{rows.where(faults)}: {fault}{others}, and data.{key} is error")
    return rows.take(~faults)


def census(splits: Splits) -> dict[str, Any]:
    """Count the faults among the training rows, whatever is done with them."""
    train = splits.rows["train"]
    conflicts = conflicting(train)
    return {
        "duplicate_texts": int(len(train) - len(np.unique(train.texts))),  # rows whose text stands above
        "duplicate_rows": int(repeated(train).sum()),  # rows whose text and label stand above
        "conflicting_texts": len(np.unique(train.texts[conflicts])),
        "conflicting_rows": int(conflicts.sum()),
        "leakage": {split: leaks(splits, split) for split in splits.rows if split != "train"},
    }


def leaks(splits: Splits, split: str) -> dict[str, int]:
    """Count the rows of `split` whose text is in training, and the training rows that have such a text."""
    train, other = splits.rows["train"], splits.rows[split]
    return {"rows": int(shared(other, train).sum()), "training_rows": int(shared(train, other).sum())}


def shared(rows: Rows, other: Rows) -> Mask:
    """Return (rows,): which have a text that is also in `other`."""
    return np.isin(rows.texts, other.texts)


def repeated(rows: Rows) -> Mask:
    """Return (rows,): which have text and label of an earlier row."""
    first = np.unique(np.stack([rows.texts, rows.labels], axis=1), axis=0, return_index=True)[1]
    mask = np.ones(len(rows), dtype=bool)
    mask[first] = False
    return mask


def conflicting(rows: Rows) -> Mask:
    """Return (rows,): which have a text that stands under different labels."""
    texts = np.unique(np.stack([rows.texts, rows.labels], axis=1), axis=0)[:, 0]
    distinct, labels = np.unique(texts, return_counts=True)
    return np.isin(rows.texts, distinct[labels > 1])


def losing(rows: Rows, conflicts: Mask, policy: str) -> Mask:
    """Return (rows,): which of the rows in `conflicts` (rows,) are at fault under a policy.

    `first`: those without the label that the text had first. `majority`: those without the label that most of the
    text's rows have, or all of them when two labels are even. Any other: all of them.
    """
    if policy not in ("first", "majority"):
        return conflicts
    at: Numbers = np.flatnonzero(conflicts)
    pairs = list(zip(rows.texts[at].tolist(), rows.labels[at].tolist(), strict=True))
    votes: dict[int, Counter[int]] = {}
    for text, label in pairs:
        votes.setdefault(text, Counter())[label] += 1
    winners = {text: next(iter(v)) if policy == "first" else _majority(v) for text, v in votes.items()}
    lost = conflicts.copy()
    lost[at] = [label != winners[text] for text, label in pairs]
    return lost


def _majority(votes: Counter[int]) -> int | None:
    (label, most), (_, second) = votes.most_common(2)
    return None if most == second else label
