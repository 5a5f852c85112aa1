"""What evaluate tells of answers, by their texts as SQuAD's official script compares them, and what predict says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stages.interfaces import Value
from stages.scoring.metric import Metric, counted, mean
from stages.scoring.mixing import of_numbers as mixed
from stages.scoring.report import BARS, LINES, Options, Report, Wrong, report_of
from stages.scoring.texts import squad
from stages.targets.span.metrics import OVERLAP, Floats, Judged, Place, overlap

__all__ = ["METRICS", "mixed", "render", "report", "table", "worst", "wrong"]

SHOWN = 60  # characters of the passage to either side of an answer
TOLD = 5  # candidates that predict tells
LONGEST = 60  # characters by which answers are grouped in the plot of lengths, each twice as long as the one before


def exact_match(guess: str, truths: Sequence[str]) -> float:
    """Return whether an answer is one of the right ones, "" for no answer."""
    return float(any(squad(guess) == squad(truth) for truth in truths))


def f1(guess: str, truths: Sequence[str]) -> float:
    """Return the F1 of the words of an answer and the nearest of the right ones, "" for no answer."""
    return max(_f1(squad(guess).split(), squad(truth).split()) for truth in truths)


def _f1(guess: Sequence[str], truth: Sequence[str]) -> float:
    if not guess or not truth:
        return float(guess == truth)
    common = sum((Counter(guess) & Counter(truth)).values())
    return 2 * common / (len(guess) + len(truth))


@dataclass(frozen=True)
class Read:
    """Questions with the texts of the model's answers and of the right ones."""

    judged: Judged
    guesses: Sequence[str]
    truths: Sequence[Sequence[str]]

    @classmethod
    def of(cls, judged: Judged, examples: Iterable[Value]) -> Read:
        """Cut the answers out of the passages of `examples`, N questions with their passages."""
        guesses, truths = [], []
        for number, (_, passage) in enumerate(examples):
            place = judged.guess(number)
            guesses.append(passage[slice(*place)] if place else "")
            truths.append([passage[begin:end] for begin, end in judged.truth[number]] or [""])
        return cls(judged, guesses, truths)

    def __len__(self) -> int:
        return len(self.guesses)

    def each(self, score: Any) -> Floats:
        """Return a score of each answer, (N,)."""
        return np.array([score(*of) for of in zip(self.guesses, self.truths, strict=True)])


METRICS = {
    "f1": Metric("higher", mean, lambda read: counted(read.each(f1)), margin=0.02, worst=0.0),
    "exact_match": Metric("higher", mean, lambda read: counted(read.each(exact_match)), margin=0.02, worst=0.0),
    "overlap": Metric("higher", mean, lambda read: OVERLAP.counts(read.judged), worst=0.0),  # type: ignore[misc]
    "log_loss": Metric("lower", mean, lambda read: read.judged.losses),
}


def report(judged: Judged, examples: Iterable[Value], space: Mapping[str, Any], options: Options) -> Report:
    """Score `judged`, N questions, N at least 1."""
    read = Read.of(judged, examples)
    scores, sizes = read.each(f1), np.array([max(map(len, truth)) for truth in read.truths])
    more: dict[str, Any] = {}
    answerable = np.array([bool(truth) for truth in judged.truth])
    for name, part in (("answerable", answerable), ("unanswerable", ~answerable)):
        if judged.no_answer and part.any():
            more[f"f1_{name}"] = float(scores[part].mean())
    tables: dict[str, tuple[Sequence[str], list[Any]]] = {
        "bars/f1_by_length_of_answer.tsv": (BARS, _by_length(scores[answerable], sizes[answerable])),
        "lines/right_answers_by_candidates.tsv": (LINES, _by_candidates(judged)),
    }
    return report_of(read, METRICS, options, more, [], tables)


def _by_length(scores: Floats, sizes: NDArray[Any]) -> list[tuple[str, float]]:
    """Return (characters of the answer, mean F1), in groups of which each reaches twice as far as the one before."""
    rows, low = [], 0
    while low < sizes.max(initial=0):
        high = max(10, 2 * low)
        held = scores[(sizes > low) & (sizes <= high)]
        if len(held):
            rows.append((f"{low + 1} to {high}", float(held.mean())))
        low = high
    return rows


def _by_candidates(judged: Judged) -> list[tuple[str, float, float, None]]:
    """Return the share of answerable questions of which a right answer is among the first k candidates."""
    ranks = []
    for candidates, truth in zip(judged.candidates, judged.truth, strict=True):
        if truth:
            ranks.append(next((rank for rank, (_, place) in enumerate(candidates, 1) if place in truth), np.inf))
    most = max((len(of) for of in judged.candidates), default=0)
    return [
        ("exactly there", float(k), float(np.mean(np.array(ranks) <= k)), None) for k in range(1, most + 1) if ranks
    ]


def table(ids: NDArray[Any], judged: Judged, examples: Iterable[Value], space: Mapping[str, Any]) -> pa.Table:
    """Return id, the answer ("" for none), its place, its score, that of no answer, and the right answers."""
    read = Read.of(judged, examples)
    places = [judged.guess(n) or (None, None) for n in range(len(judged))]
    best = [of[0][0] if of else None for of in judged.candidates]
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "answers": pa.array(read.truths, pa.list_(pa.string())),
            "prediction": pa.array(read.guesses, pa.string()),
            "begin": pa.array([place[0] for place in places], pa.int64()),
            "end": pa.array([place[1] for place in places], pa.int64()),
            "score": pa.array(best, pa.float64()),
            "score_of_none": pa.array(judged.null, pa.float64()),
        }
    )


def worst(judged: Judged, space: Mapping[str, Any], limit: int) -> list[int]:
    """Return at most `limit` questions whose answer does not stand where a right one does: least overlap first."""
    scores = np.array([overlap(judged.guess(n), truth) for n, truth in enumerate(judged.truth)])
    sure = np.array([of[0][0] if of else -np.inf for of in judged.candidates])
    order = np.lexsort((-sure, scores))
    return [int(row) for row in order[:limit] if scores[row] < 1]


def wrong(judged: Judged, row: int, space: Mapping[str, Any], example: Value) -> Wrong:
    """Return what stands around the right answer and around the model's, each in brackets, and how far they agree."""
    passage, guess = example[1], judged.guess(row)
    truth = judged.truth[row][0] if judged.truth[row] else None
    texts = [passage[begin:end] for begin, end in judged.truth[row]] or [""]
    score = f1(passage[slice(*guess)] if guess else "", texts)
    return Wrong(row, _excerpt(passage, truth), _excerpt(passage, guess), f"F1 {score:.4f}", beside=("question",))


def _excerpt(passage: str, place: Place | None) -> str:
    if place is None:
        return "no answer"
    low, high = max(0, place[0] - SHOWN), place[1] + SHOWN
    before, after = passage[low : place[0]], passage[place[1] : high]
    return f"{'…' if low else ''}{before}[{passage[slice(*place)]}]{after}{'…' if high < len(passage) else ''}"


def render(judged: Judged, index: int, space: Mapping[str, Any], example: Value) -> dict[str, Any]:
    """Return the answer to a question, null for none, its place, and the best candidates with their scores."""
    place, passage = judged.guess(index), example[1]
    told = [
        {"answer": passage[slice(*of)], "begin": of[0], "end": of[1], "score": score}
        for score, of in judged.candidates[index][:TOLD]
    ]
    answer = {"answer": passage[slice(*place)], "begin": place[0], "end": place[1]} if place else {"answer": None}
    return {**answer, "candidates": told}
