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
    splits.narrow(
        "train", _settled(train, mask, conflicts, "conflicts", "it stands with another answer too"), "conflicts"
    )
    train = splits.rows["train"]
    mask = repeated(train)
    splits.narrow(
        "train", _settled(train, mask, duplicates, "duplicates", "it stands above with the same answer"), "duplicates"
    )
    if not len(splits.rows["train"]):
        counts = ", ".join(f"{reason} {count}" for reason, count in splits.dropped["train"].items())
        raise InputError(f"{train.path}: no row is left for training; dropped: {counts}")


def settle_leaks(splits: Splits, split: str, policy: str) -> None:
    """Apply the policy to the training rows whose example is in `split`; that split stays as it is."""
    train, other = splits.rows["train"], splits.rows[split]
    fault = f"it is also in the {split} split ({other.path})"
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
        "duplicate_examples": int(len(train) - len(np.unique(train.examples))),  # rows whose example stands above
        "duplicate_rows": int(repeated(train).sum()),  # rows that stand above, answer and all
        "conflicting_examples": len(np.unique(train.examples[conflicts])),
        "conflicting_rows": int(conflicts.sum()),
        "leakage": {split: leaks(splits, split) for split in splits.rows if split != "train"},
    }


def leaks(splits: Splits, split: str) -> dict[str, int]:
    """Count the rows of `split` whose example is in training, and the training rows that have such an example."""
    train, other = splits.rows["train"], splits.rows[split]
    return {"rows": int(shared(other, train).sum()), "training_rows": int(shared(train, other).sum())}


def shared(rows: Rows, other: Rows) -> Mask:
    """Return (rows,): which have an example, but for a response in it, that is also in `other`."""
    return np.isin(rows.asked, other.asked)


def repeated(rows: Rows) -> Mask:
    """Return (rows,): which have example and answer of an earlier row."""
    first = np.unique(np.stack([rows.examples, rows.answers], axis=1), axis=0, return_index=True)[1]
    mask = np.ones(len(rows), dtype=bool)
    mask[first] = False
    return mask


def conflicting(rows: Rows) -> Mask:
    """Return (rows,): which have an example that stands with different answers."""
    examples = np.unique(np.stack([rows.examples, rows.answers], axis=1), axis=0)[:, 0]
    distinct, answers = np.unique(examples, return_counts=True)
    return np.isin(rows.examples, distinct[answers > 1])


def losing(rows: Rows, conflicts: Mask, policy: str) -> Mask:
    """Return (rows,): which of the rows in `conflicts` (rows,) are at fault under a policy.

    `first`: those without the answer that the example had first. `majority`: those without the answer that most of
    the example's rows have, or all of them when two answers are even. Any other: all of them.
    """
    if policy not in ("first", "majority"):
        return conflicts
    at: Numbers = np.flatnonzero(conflicts)
    pairs = list(zip(rows.examples[at].tolist(), rows.answers[at].tolist(), strict=True))
    votes: dict[int, Counter[int]] = {}
    for example, answer in pairs:
        votes.setdefault(example, Counter())[answer] += 1
    winners = {example: next(iter(v)) if policy == "first" else _majority(v) for example, v in votes.items()}
    lost = conflicts.copy()
    lost[at] = [answer != winners[example] for example, answer in pairs]
    return lost


def _majority(votes: Counter[int]) -> int | None:
    (answer, most), (_, second) = votes.most_common(2)
    return None if most == second else answer
