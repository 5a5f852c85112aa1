"""Responses that a model wrote, beside those that are wanted; imported by evaluate alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.scoring import texts
from stages.scoring.generation import Generate
from stages.scoring.metric import Metric
from stages.targets.next.metrics import Floats, Judged


@dataclass(frozen=True)
class Written(Judged):
    """Conversations with their last responses, as they are wanted and as they were written."""

    wanted: Sequence[str]  # (N,)
    guesses: Sequence[str]  # (N,)
    matches: Floats  # (N,): 1 where the answers are the same
    metrics: dict[str, Metric]  # the main one first
    notes: Sequence[str]

    @classmethod
    def beside(cls, judged: Judged, pairs: Sequence[tuple[str, str]], asked: Generate) -> Written:
        """Return the conversations of `judged` with (the response that is wanted, the one that was written) of each."""
        wanted, guesses = ([pair[side] for pair in pairs] for side in (0, 1))
        matches = texts.matches(wanted, guesses, asked.extract, asked.normalise)
        metrics: dict[str, Metric] = {}
        notes = []
        for score in asked.scores:
            if score == "exact_match":
                metrics[score] = texts.means(matches)
            elif score == "rouge":
                metrics |= {name: texts.means(values) for name, values in texts.rouge(wanted, guesses).items()}
            else:
                metrics[score], signature = texts.corpus(score, wanted, guesses)
                notes.append(signature)
        return cls(judged.loss, judged.hits, judged.tokens, wanted, guesses, matches, metrics, notes)
