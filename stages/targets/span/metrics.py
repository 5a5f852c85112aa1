"""The scores of answers by which runs are compared: by their places in the passage, which need no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.metric import Examples, Metric, counted, mean
from stages.targets.span.head import ends, kept

Floats = NDArray[np.float64]
Place = tuple[int, int]  # characters of the passage from begin to before end
BEST = 20  # candidates of a question
SMALLEST = float(np.finfo(np.float64).eps)  # a smaller probability counts as this in the loss


@dataclass(frozen=True)
class Judged(Examples):
    """Questions with their answers and the candidates of the model."""

    truth: Sequence[Sequence[Place]]  # (N,): the answers that are right; none where there is no answer
    candidates: Sequence[Sequence[tuple[float, Place]]]  # (N,): at most BEST (score, place), the best first
    null: Floats  # (N,): the score of no answer
    losses: Floats  # (N, 2): the sum of the losses of a question's windows, and their number
    no_answer: bool  # whether a question may have no answer
    threshold: float  # by how much the score of no answer must be better than the best candidate's

    @classmethod
    def of(cls, outputs: NDArray[np.float32], part: Mapping[str, Any], space: Mapping[str, Any]) -> Judged:
        """Return the questions of `part`, of whose windows the model says `outputs` (M, 2)."""
        exact = outputs.astype(np.float64)
        begins, wanted = part["begins"], ends(part)
        counts = np.array([len(kept(of)) for of in begins])
        starts = np.cumsum(counts) - counts
        questions = int(part["example"].max()) + 1
        found: list[dict[Place, float]] = [{} for _ in range(questions)]
        truth: list[list[Place]] = [[] for _ in range(questions)]
        null, losses = np.full(questions, np.inf), np.zeros((questions, 2))
        for window, question in enumerate(part["example"].tolist()):
            own = exact[starts[window] : starts[window] + counts[window]]
            loss = [_loss(own[:, side], int(wanted[window, side])) for side in (0, 1)]
            losses[question] += (np.mean(loss), 1)
            null[question] = min(null[question], own[0].sum())
            span = part["span"][window].tolist()[2:]
            truth[question] = list(zip(span[::2], span[1::2], strict=True))
            at = kept(begins[window])[1:]
            places = np.column_stack([begins[window][at], part["ends"][window][at]])
            for score, place in _candidates(own[1:], places, space["longest"]):
                found[question][place] = max(score, found[question].get(place, -np.inf))
        ranked = [sorted(((s, p) for p, s in of.items()), key=lambda c: (-c[0], c[1]))[:BEST] for of in found]
        return cls(truth, ranked, null, losses, space["no_answer"], space.get("null_threshold", 0.0))

    def __len__(self) -> int:
        return len(self.truth)

    def guess(self, question: int) -> Place | None:
        """Return the place of the answer that the model gives, None for no answer."""
        best = self.candidates[question]
        if not best or (self.no_answer and self.gaps[question] > self.threshold):
            return None
        return best[0][1]

    def predictions(self) -> NDArray[np.int64]:
        """Return the place of each answer, (N, 2), -1 and -1 for none."""
        return np.array([self.guess(question) or (-1, -1) for question in range(len(self))], dtype=np.int64)

    @property
    def gaps(self) -> Floats:
        """Return by how much the score of no answer is better than the best candidate's, (N,)."""
        return np.array(
            [null - (best[0][0] if best else -np.inf) for null, best in zip(self.null, self.candidates, strict=True)]
        )

    @classmethod
    def settles(cls, space: Mapping[str, Any]) -> bool:
        """Return whether there are questions without an answer: then a threshold is chosen."""
        return bool(space["no_answer"])

    def settled(self) -> dict[str, Any]:
        """Return {"null_threshold": …}: that with the best mean overlap on these questions, the lowest of equals."""
        gaps = self.gaps
        answered = np.array(
            [overlap(best[0][1] if best else None, of) for best, of in zip(self.candidates, self.truth, strict=True)]
        )
        silent = np.array([overlap(None, of) for of in self.truth])
        order = np.argsort(gaps, kind="stable")
        # With a threshold behind the first k questions, these are answered and the others are not.
        scores = np.concatenate([[0.0], np.cumsum(answered[order])]) + np.append(
            np.cumsum(silent[order][::-1])[::-1], 0.0
        )
        edges = np.concatenate([[gaps.min() - 1], gaps[order]])
        distinct = np.append(edges[1:] > edges[:-1], True)  # questions of one gap go together
        return {"null_threshold": float(edges[int(np.argmax(np.where(distinct, scores, -1.0)))])}


def _loss(logits: Floats, wanted: int) -> float:
    shifted = logits - logits.max()
    return float(min(np.log(np.exp(shifted).sum()) - shifted[wanted], -np.log(SMALLEST)))


def _candidates(scores: Floats, places: NDArray[Any], longest: int) -> list[tuple[float, Place]]:
    """Return the best (score, place) of a window: scores (T, 2) and places (T, 2) of the tokens of its passage."""
    first, last = (np.argsort(-scores[:, side], kind="stable")[:BEST] for side in (0, 1))
    length = last[None, :] - first[:, None]
    good = (length >= 0) & (length < longest)
    one, two = np.nonzero(good)
    totals = scores[first[one], 0] + scores[last[two], 1]
    best = np.argsort(-totals, kind="stable")[:BEST]
    return [
        (float(totals[i]), (int(places[first[one[i]], 0]), int(places[last[two[i]], 1])))
        for i in best
        if places[last[two[i]], 1] > places[first[one[i]], 0]
    ]


def overlap(guess: Place | None, truth: Sequence[Place]) -> float:
    """Return the F1 of the characters of `guess` and the nearest of `truth`; 1 where both say that there is none."""
    if guess is None or not truth:
        return float(guess is None and not truth)
    shared = [max(0, min(guess[1], end) - max(guess[0], begin)) for begin, end in truth]
    sizes = [guess[1] - guess[0] + end - begin for begin, end in truth]
    return max(2 * common / size for common, size in zip(shared, sizes, strict=True))


def overlaps(judged: Judged) -> Floats:
    """Return the overlap of each question's answer, and one, (N, 2)."""
    return counted(np.array([overlap(judged.guess(n), truth) for n, truth in enumerate(judged.truth)]))


def exact(judged: Judged) -> Floats:
    """Return whether each answer stands exactly where a right one does, and one, (N, 2)."""
    guesses = [judged.guess(n) for n in range(len(judged))]
    return counted(np.array([g in t if t else g is None for g, t in zip(guesses, judged.truth, strict=True)]))


LOSS = Metric("lower", mean, lambda judged: judged.losses)
EXACT = Metric("higher", mean, exact, margin=0.02, worst=0.0)
OVERLAP = Metric("higher", mean, overlaps, margin=0.02, worst=0.0)
METRICS = {"loss": LOSS, "exact": EXACT, "overlap": OVERLAP}
