"""The official score of SemEval-2010 task 8: the mean F1 of the relations, their directions taken into account.

Hendrickx et al. (2010), and the task's scorer, version 1.2: a relation is right where its direction is too; what is
predicted in either direction counts to its precision, and examples of none to no mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring import classification
from stages.scoring.classification import Tally, predicted
from stages.scoring.metric import Metric

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Judged(classification.Judged):
    """Rows with their labels, what the model said of them, and which relation each label is of."""

    relations: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # (C,): that of each label, -1: none

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the rows of `part`, whose logits are `outputs` (N, C)."""
        held = classification.Judged.of(outputs, part, space)
        return cls(held.labels, held.probabilities, relations_of(space))


def names_of(space: Mapping[str, Any]) -> list[str]:
    """Return the names of the relations, sorted."""
    return sorted(set(space["relations"]) - {""})


def relations_of(space: Mapping[str, Any]) -> Ints:
    """Return the index of each label's relation among `names_of`, -1 for the label of none, (C,)."""
    names = names_of(space)
    return np.array([names.index(name) if name else -1 for name in space["relations"]], dtype=np.int64)


def tallied(judged: Judged) -> NDArray[np.float64]:
    """Return for each row a one at its relation if label and guess are the same, at its relation, at the guess's."""
    of, count = judged.relations, int(judged.relations.max()) + 1
    guessed = predicted(judged.probabilities)
    each = np.eye(count + 1)[:, :count]  # the last row, which -1 takes, is that of none
    actual = each[of[judged.labels]]
    return np.hstack([actual * (guessed == judged.labels)[:, None], actual, each[of[guessed]]])


F1 = Metric("higher", lambda sums: Tally.of(sums).macro_f1(), tallied, margin=0.02, worst=0.0)
METRICS = {**classification.METRICS, "relation_f1": F1}
